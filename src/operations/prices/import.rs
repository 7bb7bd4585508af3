//! Prices as people paste or upload them: the JSON that `POST /admin/v1/prices` takes, or a table as CSV.
//!
//! A table's first line names its columns: `model`, `ratio`, and list prices by the names that the configuration has for them,
//! such as `input` or `1K`. An empty cell is a price that the row does not have; a row without any price keeps those it has.

use serde_json::{Map, Value, json};

use super::{NewPrices, NewRow};

/// Rows of one import.
const ROWS_MAX: usize = 1_000;

/// What was pasted cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Nothing was pasted.
    #[error("paste a price book, or choose a file")]
    Empty,
    /// It looks like JSON and is not what is expected.
    #[error("this is no price book: {0}")]
    Json(String),
    /// A line of a table is not what is expected.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A model stands there twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// More rows than anybody has models.
    #[error("there are more than {ROWS_MAX} rows")]
    TooMany,
}

/// Reads it, in whichever of the two forms it is.
///
/// # Errors
/// [`ImportError`].
pub fn read(text: &str) -> Result<Vec<NewRow>, ImportError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(ImportError::Empty);
    }
    let rows = if text.starts_with(['{', '[']) {
        let prices: NewPrices = serde_json::from_str(text).map_err(|error| ImportError::Json(error.to_string()))?;
        prices.models
    } else {
        table(text)?
    };
    if rows.len() > ROWS_MAX {
        return Err(ImportError::TooMany);
    }
    let mut seen = std::collections::HashSet::new();
    match rows.iter().find(|row| !seen.insert(row.id.as_str())) {
        Some(twice) => Err(ImportError::Twice(twice.id.clone())),
        None => Ok(rows),
    }
}

fn table(text: &str) -> Result<Vec<NewRow>, ImportError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let wrong = |line: usize, reason: &str| ImportError::Line { line: line + 1, reason: reason.to_owned() };
    let (first, header) = lines.next().ok_or(ImportError::Empty)?;
    let header = cells(header).ok_or_else(|| wrong(first, "a quotation mark is left open"))?;
    if !header.iter().any(|name| name == "model") {
        return Err(wrong(first, "the first line names the columns, and one of them is model"));
    }
    let mut rows = Vec::new();
    for (place, line) in lines {
        let cells = cells(line).ok_or_else(|| wrong(place, "a quotation mark is left open"))?;
        if cells.len() != header.len() {
            return Err(wrong(place, &format!("{} cells under {} columns", cells.len(), header.len())));
        }
        let (mut id, mut ratio, mut prices) = (String::new(), None, Map::new());
        for (name, cell) in header.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            match name.as_str() {
                "model" => id = cell,
                "ratio" => {
                    let read = cell.parse().map_err(|error| wrong(place, &format!("ratio {cell}: {error}")))?;
                    ratio = Some(read);
                }
                "long_context_over" => {
                    let tokens: u64 = cell.parse().map_err(|_| wrong(place, "long_context_over counts tokens"))?;
                    prices.insert(name.clone(), json!(tokens));
                }
                _ => drop(prices.insert(name.clone(), Value::String(cell.trim_start_matches('$').to_owned()))),
            }
        }
        if id.is_empty() {
            return Err(wrong(place, "the model is not named"));
        }
        let list_price = (!prices.is_empty()).then_some(Value::Object(prices));
        rows.push(NewRow { id, ratio, list_price });
    }
    Ok(rows)
}

/// The cells of a line, without space around them. `None` where a quotation mark is left open: no cell of ours spans lines.
fn cells(line: &str) -> Option<Vec<String>> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            letter => cell.push(letter),
        }
    }
    cells.push(cell.trim().to_owned());
    (!quoted).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, Option<String>, Option<Value>)> {
        let rows = read(text).unwrap();
        rows.into_iter().map(|row| (row.id, row.ratio.map(|ratio| ratio.to_string()), row.list_price)).collect()
    }

    #[test]
    fn a_table_and_its_json_are_the_same() {
        let table = "\u{feff}model,ratio,input,output,long_context_over\r\n\"opus\",27.5,$5.00,\"25\",200000\r\n\r\n\
                     haiku,50,,,\n";
        let text = r#"{"models":[{"id":"opus","ratio":27.5,"list_price":{"input":"5.00","output":"25","long_context_over":200000}},
            {"id":"haiku","ratio":50}]}"#;
        assert_eq!(shown(table), shown(text));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(refused("  "), "paste a price book, or choose a file");
        assert_eq!(refused("a,b\n1,2"), "line 1: the first line names the columns, and one of them is model");
        assert_eq!(refused("model,ratio\nopus"), "line 2: 1 cells under 2 columns");
        assert_eq!(refused("model,ratio\nopus,\"28"), "line 2: a quotation mark is left open");
        assert_eq!(refused("model,ratio\n,28"), "line 2: the model is not named");
        assert!(refused("model,ratio\nopus,zero").starts_with("line 2: ratio zero: a ratio is a number"));
        assert_eq!(refused("model\nopus\nopus"), "opus is there twice");
        assert!(refused("{\"models\":[{\"id\":\"a\",\"price\":1}]}").contains("unknown field `price`"));
        let many = (0..=ROWS_MAX).fold("model".to_owned(), |text, n| format!("{text}\nm{n}"));
        assert_eq!(refused(&many), "there are more than 1000 rows");
    }
}
