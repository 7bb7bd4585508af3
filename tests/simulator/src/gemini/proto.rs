//! Proto-JSON: messages with a closed set of fields, in camelCase or `snake_case`.
//!
//! [`normalise`] refuses unknown fields and wrong types as Google's front end does, and answers the same value with
//! every field name in camelCase. Free-form objects, such as the arguments of a function, stay as they are.

use super::invalid;
use crate::dialect::Refusal;
use serde_json::{Map, Value};

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Anything, unread.
    Any,
    /// An object with keys of its own.
    Struct,
    Text,
    /// Base64.
    Bytes,
    Bool,
    Number,
    /// A number without fraction, also as a string.
    Integer,
    Enum(&'static [&'static str]),
    Message(&'static [Field]),
    Messages(&'static [Field]),
    Texts,
    /// A message of the same kind as the one it is in: schemas hold schemas.
    Same,
    SameList,
    SameMap,
}

pub(super) type Field = (&'static str, Kind);

pub(super) fn normalise(value: &Value, fields: &'static [Field], path: &str) -> Result<Value, Refusal> {
    let Some(map) = value.as_object() else {
        return Err(invalid(format!("Invalid value at '{path}': message, expected an object")));
    };
    let mut clean = Map::new();
    for (name, value) in map {
        let camel = camel(name);
        let Some((own, kind)) = fields.iter().find(|(own, _)| *own == camel) else {
            let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
            return Err(invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            )));
        };
        // A null field is a field that is not set.
        if value.is_null() && !matches!(kind, Kind::Any) {
            continue;
        }
        let path = if path.is_empty() { snake(own) } else { format!("{path}.{}", snake(own)) };
        if clean.insert((*own).to_owned(), read(value, *kind, fields, &path)?).is_some() {
            return Err(invalid(format!("Invalid JSON payload received. Field \"{own}\" is given twice.")));
        }
    }
    Ok(Value::Object(clean))
}

fn read(value: &Value, kind: Kind, own: &'static [Field], path: &str) -> Result<Value, Refusal> {
    let wrong = |wanted: &str| invalid(format!("Invalid value at '{path}' ({wanted}), {value}"));
    let all = |items: &Value, read: &dyn Fn(&Value, &str) -> Result<Value, Refusal>| -> Result<Value, Refusal> {
        // A single element stands for a list of one, as protobuf's JSON parser allows.
        let Some(items) = items.as_array() else { return Ok(Value::Array(vec![read(items, path)?])) };
        let read = |(at, item)| read(item, &format!("{path}[{at}]"));
        Ok(Value::Array(items.iter().enumerate().map(read).collect::<Result<_, _>>()?))
    };
    match kind {
        Kind::Any => Ok(value.clone()),
        Kind::Struct if value.is_object() => Ok(value.clone()),
        Kind::Struct => Err(wrong("type.googleapis.com/google.protobuf.Struct")),
        Kind::Text if value.is_string() => Ok(value.clone()),
        Kind::Text => Err(wrong("TYPE_STRING")),
        Kind::Bytes => match value.as_str() {
            Some(text) if is_base64(text) => Ok(value.clone()),
            _ => Err(invalid(format!("Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {value}"))),
        },
        Kind::Bool if value.is_boolean() => Ok(value.clone()),
        Kind::Bool => Err(wrong("TYPE_BOOL")),
        Kind::Number if value.is_number() => Ok(value.clone()),
        Kind::Number => Err(wrong("TYPE_FLOAT")),
        Kind::Integer => match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
            Some(number) => Ok(number.into()),
            None => Err(wrong("TYPE_INT32")),
        },
        Kind::Enum(names) => match value.as_str() {
            Some(name) if names.contains(&name) => Ok(value.clone()),
            _ => Err(wrong("TYPE_ENUM")),
        },
        Kind::Message(fields) => normalise(value, fields, path),
        Kind::Messages(fields) => all(value, &|item, path| normalise(item, fields, path)),
        Kind::Texts => all(value, &|item, path| read(item, Kind::Text, own, path)),
        Kind::Same => normalise(value, own, path),
        Kind::SameList => all(value, &|item, path| normalise(item, own, path)),
        Kind::SameMap => {
            let Some(map) = value.as_object() else { return Err(wrong("map")) };
            let read = |(name, value): (&String, &Value)| {
                Ok((name.clone(), normalise(value, own, &format!("{path}[{name}]"))?))
            };
            map.iter().map(read).collect::<Result<Map<_, _>, Refusal>>().map(Value::Object)
        }
    }
}

/// The literal that switches the check of signatures off is passed by, as Google's servers do.
fn is_base64(text: &str) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    text == super::contents::SKIP_VALIDATOR || STANDARD.decode(text).is_ok()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const INNER: &[Field] = &[("mimeType", Kind::Text), ("args", Kind::Struct)];
    const OUTER: &[Field] =
        &[("parts", Kind::Messages(INNER)), ("topK", Kind::Integer), ("mode", Kind::Enum(&["ANY"]))];

    #[test]
    fn names_come_in_two_spellings() {
        let value =
            normalise(&json!({"parts": [{"mime_type": "a", "args": {"snake_case": 1}}], "top_k": "7"}), OUTER, "");
        assert_eq!(value.unwrap(), json!({"parts": [{"mimeType": "a", "args": {"snake_case": 1}}], "topK": 7}));
    }

    #[test]
    fn unknown_names_and_wrong_types_are_refused() {
        let refused = |value: Value| normalise(&value, OUTER, "").unwrap_err().message;
        assert_eq!(
            refused(json!({"parts": [{"mime": "a"}]})),
            "Invalid JSON payload received. Unknown name \"mime\" at 'parts[0]': Cannot find field."
        );
        assert!(refused(json!({"mode": "any"})).contains("'mode'"));
        assert!(refused(json!({"topK": 1.5})).contains("top_k"));
        assert!(refused(json!({"parts": [{"args": []}]})).contains("Struct"));
    }
}
