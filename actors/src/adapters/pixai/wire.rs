//! A task as it is answered, to its creation and to every question after it.

use serde::Deserialize;

/// A task.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) outputs: Option<Outputs>,
}

/// What a completed task has made: a link for each id, or null where there is none.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outputs {
    #[serde(default)]
    media_ids: Option<Vec<Id>>,
    #[serde(default)]
    media_urls: Option<Vec<Option<String>>>,
}

/// One file: its link, or its id where there is no link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    Link(String),
    Id(Id),
}

impl Outputs {
    /// At most `max` files, in order.
    pub(super) fn files(self, max: usize) -> Vec<File> {
        let ids = self.media_ids.unwrap_or_default();
        let urls = self.media_urls.unwrap_or_default();
        let count = ids.len().max(urls.len()).min(max);
        let (mut ids, mut urls) = (ids.into_iter(), urls.into_iter());
        let file = || {
            let (id, url) = (ids.next(), urls.next().flatten());
            url.map(File::Link).or(id.map(File::Id))
        };
        std::iter::repeat_with(file).take(count).flatten().collect()
    }
}

/// An id that goes into a path: nothing but letters, digits, dashes and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(String);

impl Id {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_plain && (1..=128).contains(&id.len()) { Ok(Self(id)) } else { Err("not an id") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(json: &str) -> Vec<String> {
        let outputs: Outputs = serde_json::from_str(json).unwrap();
        outputs
            .files(4)
            .into_iter()
            .map(|file| match file {
                File::Link(url) => url,
                File::Id(id) => format!("id {}", id.as_str()),
            })
            .collect()
    }

    #[test]
    fn a_file_without_a_link_has_its_id() {
        assert_eq!(files(r#"{"mediaIds":["1","2","3"],"mediaUrls":["u",null]}"#), ["u", "id 2", "id 3"]);
        assert_eq!(files(r#"{"mediaIds":["1"],"mediaUrls":null}"#), ["id 1"]);
        assert_eq!(files(r#"{"mediaUrls":[null,"u"]}"#), ["u"]);
        assert_eq!(files(r#"{"mediaIds":["1","2","3","4","5"]}"#).len(), 4);
        assert!(files("{}").is_empty());
    }

    #[test]
    fn an_id_that_would_leave_its_place_in_a_path_is_none() {
        for id in ["../v1/me", "1/2", "1?x", "", "%2e", "a b"] {
            assert!(serde_json::from_value::<Id>(id.into()).is_err(), "{id}");
        }
        assert!(serde_json::from_value::<Id>("1983308862240288769".into()).is_ok());
    }
}
