//! Small readings of JSON values that the three protocols share.

use serde_json::Value;

/// The list under a key; empty when it is missing or no list.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The string under a key.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The value under a key, where `null` is as good as nothing.
pub(crate) fn given<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|value| !value.is_null())
}

/// The first key of an object that is not in the list of known ones.
pub(crate) fn unknown_key<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    value.as_object()?.keys().map(String::as_str).find(|key| !known.contains(key))
}

/// The value with the keys of every object sorted, so that equal values read the same.
pub(crate) fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.iter().collect();
                keys.sort_by_key(|(key, _)| key.as_str());
                out.push('{');
                for (key, value) in keys {
                    out.push_str(key);
                    out.push(':');
                    write(value, out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// A copy of an object without some keys.
pub(crate) fn without(value: &Value, keys: &[&str]) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(key, _)| !keys.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_ignores_the_order_of_keys() {
        assert_eq!(canonical(&json!({"a": [1, {"b": 2, "c": 3}]})), canonical(&json!({"a": [1, {"c": 3, "b": 2}]})));
        assert_ne!(canonical(&json!({"a": "1"})), canonical(&json!({"a": 1})));
    }
}
