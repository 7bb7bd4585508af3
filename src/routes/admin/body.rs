//! Bodies of JSON, and which field is at fault in one that cannot be read.

use actix_web::web::Bytes;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, Code};

/// A JSON body; an error names the field.
pub(in crate::routes) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        (path, error.into_inner())
    });
    let read = read.and_then(|read| reader.end().map(|()| read).map_err(|error| (String::new(), error)));
    read.map_err(|(path, error)| {
        let text = error.to_string();
        if error.is_syntax() || error.is_eof() {
            return ApiError::new(Code::InvalidJson, format!("the body is not JSON: {text}"));
        }
        let message = text.split(" at line ").next().unwrap_or_default().to_owned();
        let error = ApiError::new(Code::InvalidRequest, message.clone());
        match field_of(&path, &message) {
            Some(field) => error.at(field),
            None => error,
        }
    })
}

/// The field that an error is about: where reading stopped, and the name that is missing there.
fn field_of(path: &str, message: &str) -> Option<String> {
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path, missing) {
        ("" | ".", missing) => missing.map(str::to_owned),
        (path, Some(missing)) => Some(format!("{path}.{missing}")),
        (path, None) => Some(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        features: Option<Features>,
        models: Option<Vec<String>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Features {
        text: bool,
    }

    #[test]
    fn an_error_names_its_field_wherever_it_lies() {
        for (body, field) in [
            (r#"{"name":1}"#, "name"),
            (r#"{"name":"a","nmae":1}"#, "nmae"),
            ("{}", "name"),
            (r#"{"name":"a","features":{"text":"yes"}}"#, "features.text"),
            (r#"{"name":"a","features":{}}"#, "features.text"),
            (r#"{"name":"a","features":{"tetx":true}}"#, "features.tetx"),
            (r#"{"name":"a","models":["b",2]}"#, "models[1]"),
        ] {
            let error: ApiError = parse::<Outer>(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(field), "{body}: {error:?}");
        }
        for body in ["", "{", "nothing", r#"{"name":"a"} {}"#] {
            let error = parse::<Outer>(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!((error.code, error.param), (Code::InvalidJson, None), "{body}");
        }
        let error = parse::<Outer>(&Bytes::from_static(b"[]")).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), (Code::InvalidRequest, None), "{error:?}");
    }
}
