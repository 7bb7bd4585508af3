//! Tables as CSV (RFC 4180), safe to open in a spreadsheet.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};

use super::page;

/// A table that is being written.
#[derive(Debug, Default)]
pub struct Csv(String);

/// One value.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// Words that somebody may have chosen: never a formula.
    Text(&'a str),
    /// A number, date or id that we wrote: as it is.
    Plain(&'a str),
}

impl Csv {
    /// A table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut csv = Self::default();
        csv.row(columns.iter().map(|column| Cell::Plain(column)));
        csv
    }

    /// Adds a row.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        for (place, cell) in cells.into_iter().enumerate() {
            if place > 0 {
                self.0.push(',');
            }
            self.push(cell);
        }
        self.0.push_str("\r\n");
    }

    fn push(&mut self, cell: Cell<'_>) {
        let (text, guard) = match cell {
            // Spreadsheets run what starts like a formula; a leading apostrophe makes it text to all of them.
            Cell::Text(text) => (text, text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])),
            Cell::Plain(text) => (text, false),
        };
        let quoted = guard || text.contains([',', '"', '\r', '\n', ';', '\t']);
        if quoted {
            self.0.push('"');
        }
        if guard {
            self.0.push('\'');
        }
        for letter in text.chars() {
            if letter == '"' {
                self.0.push('"');
            }
            self.0.push(letter);
        }
        if quoted {
            self.0.push('"');
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// As an answer that a browser saves as `file_name`, which is ours and plain ASCII.
    pub fn respond(self, file_name: &str) -> HttpResponse {
        let mut response = HttpResponse::Ok().content_type("text/csv; charset=utf-8").body(self.0);
        page::protect(&mut response, "");
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_formula_and_a_number_stays_one() {
        let mut csv = Csv::new(&["name", "amount"]);
        for name in ["plain", "=1+1", "+x", "-x", "@x", "\tx", "a,b", "say \"hi\"", "two\nlines"] {
            csv.row([Cell::Text(name), Cell::Plain("-0.50")]);
        }
        let text = csv.into_text();
        let expected = "name,amount\r\nplain,-0.50\r\n\"'=1+1\",-0.50\r\n\"'+x\",-0.50\r\n\"'-x\",-0.50\r\n\"'@x\",-0.50\r\n\
                        \"'\tx\",-0.50\r\n\"a,b\",-0.50\r\n\"say \"\"hi\"\"\",-0.50\r\n\"two\nlines\",-0.50\r\n";
        assert_eq!(text, expected);
    }
}
