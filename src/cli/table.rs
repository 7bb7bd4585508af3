//! Tables for people, out of the JSON that the admin API answers.

use serde_json::Value;

use super::output::harmless;

/// Rows under a header line, columns two spaces apart.
pub(super) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, cell by cell as in the header.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| harmless(&cell)).collect());
    }

    /// The table as text, or `nothing` where it has no row.
    pub(super) fn print(&self, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{nothing}\n");
        }
        let width_of = |column: usize, title: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(title.chars().count())
        };
        let widths: Vec<usize> =
            self.header.iter().enumerate().map(|(column, title)| width_of(column, title)).collect();
        let header: Vec<String> = self.header.iter().map(|title| (*title).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names and values below each other.
pub(super) fn print_fields(value: &Value, fields: &[(&'static str, &str)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line =
        |(name, pointer): &(&'static str, &str)| format!("{name:<width$}  {}\n", harmless(&cell(value, pointer)));
    fields.iter().map(line).collect()
}

/// What stands at a JSON pointer, in a few letters.
pub(super) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) if values.is_empty() => "-".to_owned(),
        Some(Value::Array(values)) => values.iter().map(|value| cell(value, "")).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

/// The objects of a list, whether it stands alone or in the API's list envelope.
pub(super) fn entries(value: &Value) -> &[Value] {
    value.get("data").unwrap_or(value).as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_and_nothing_is_said_in_words() {
        let mut table = Table::new(&["ID", "NAME"]);
        assert_eq!(table.print("no workspaces"), "no workspaces\n");
        table.push(["ws_1".to_owned(), "Größe\n".to_owned()]);
        table.push(["ws_long".to_owned(), "-".to_owned()]);
        assert_eq!(table.print(""), "ID       NAME\nws_1     Größe\u{fffd}\nws_long  -\n");
    }

    #[test]
    fn cells_read_any_kind_of_value() {
        let value = json!({"a": {"b": null, "c": true, "d": ["x", 1], "e": []}, "f": 1.5});
        for (pointer, text) in
            [("/a/b", "-"), ("/a/c", "yes"), ("/a/d", "x, 1"), ("/a/e", "-"), ("/f", "1.5"), ("/g", "-")]
        {
            assert_eq!(cell(&value, pointer), text, "{pointer}");
        }
    }
}
