//! Names out of a closed set, read without keeping their text: every message and every part has one.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// An enum that reads itself from a string; what is not in the set is `Unknown`.
macro_rules! names {
    ($(#[$meta:meta])* enum $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name {
            $($variant,)*
            Unknown,
        }

        impl $name {
            fn named(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Unknown,
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Named;
                impl Visitor<'_> for Named {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str("a string")
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                        Ok($name::named(text))
                    }
                }
                deserializer.deserialize_str(Named)
            }
        }
    };
}

names! {
    /// The role of a message.
    enum RoleName {
        System = "system",
        Developer = "developer",
        User = "user",
        Assistant = "assistant",
        Tool = "tool",
        Function = "function",
    }
}

names! {
    /// The type of a content part, of either dialect.
    enum PartKind {
        Text = "text",
        Refusal = "refusal",
        ImageUrl = "image_url",
        InputAudio = "input_audio",
        File = "file",
        Image = "image",
        Document = "document",
        ToolUse = "tool_use",
        ToolResult = "tool_result",
        Thinking = "thinking",
        RedactedThinking = "redacted_thinking",
    }
}

impl PartKind {
    /// It is Anthropic's, and nothing that an OpenAI-compatible provider understands.
    pub(super) const fn is_anthropic(self) -> bool {
        match self {
            Self::Image
            | Self::Document
            | Self::ToolUse
            | Self::ToolResult
            | Self::Thinking
            | Self::RedactedThinking => true,
            Self::Text | Self::Refusal | Self::ImageUrl | Self::InputAudio | Self::File | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_however_they_are_written() {
        let role = |json| serde_json::from_str::<RoleName>(json).unwrap();
        assert_eq!(role(r#""user""#), RoleName::User);
        assert_eq!(role(r#""\u0075ser""#), RoleName::User);
        assert_eq!(role(r#""User""#), RoleName::Unknown);
        assert!(serde_json::from_str::<PartKind>("7").is_err());
    }
}
