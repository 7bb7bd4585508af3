//! The fields of a request, message by message.

use super::proto::{Field, Kind};
use Kind::{Any, Bool, Bytes, Enum, Integer, Message, Messages, Number, Same, SameList, SameMap, Struct, Text, Texts};

pub(super) static REQUEST: &[Field] = &[
    ("contents", Messages(CONTENT)),
    ("systemInstruction", Message(CONTENT)),
    ("tools", Messages(TOOL)),
    ("toolConfig", Message(TOOL_CONFIG)),
    ("safetySettings", Messages(SAFETY)),
    ("generationConfig", Message(GENERATION)),
    ("cachedContent", Text),
    ("serviceTier", Enum(&["flex", "standard", "priority"])),
    ("store", Bool),
    ("labels", Struct),
    ("continuationToken", Text),
    // Allowed in the body too, where it must agree with the path.
    ("model", Text),
];

pub(super) static COUNT: &[Field] = &[("contents", Messages(CONTENT)), ("generateContentRequest", Message(REQUEST))];

static CONTENT: &[Field] = &[("role", Text), ("parts", Messages(PART))];

static PART: &[Field] = &[
    ("text", Text),
    ("inlineData", Message(BLOB)),
    ("fileData", Message(&[("fileUri", Text), ("mimeType", Text)])),
    ("functionCall", Message(&[("id", Text), ("name", Text), ("args", Struct)])),
    ("functionResponse", Message(FUNCTION_RESPONSE)),
    ("executableCode", Any),
    ("codeExecutionResult", Any),
    ("toolCall", Any),
    ("toolResponse", Any),
    ("thought", Bool),
    ("thoughtSignature", Bytes),
    ("mediaResolution", Any),
    ("videoMetadata", Any),
];

static BLOB: &[Field] = &[("mimeType", Text), ("data", Bytes)];

static FUNCTION_RESPONSE: &[Field] = &[
    ("id", Text),
    ("name", Text),
    ("response", Struct),
    ("parts", Messages(&[("inlineData", Message(BLOB)), ("fileData", Any)])),
    ("willContinue", Bool),
    ("scheduling", Text),
];

static TOOL: &[Field] = &[
    ("functionDeclarations", Messages(DECLARATION)),
    ("googleSearch", Any),
    ("urlContext", Any),
    ("codeExecution", Any),
    ("googleMaps", Any),
    ("fileSearch", Any),
    ("computerUse", Any),
];

static DECLARATION: &[Field] = &[
    ("name", Text),
    ("description", Text),
    ("parameters", Message(SCHEMA)),
    ("parametersJsonSchema", Any),
    ("response", Message(SCHEMA)),
    ("responseJsonSchema", Any),
    ("behavior", Text),
];

/// Google's own schema, which is not JSON Schema.
static SCHEMA: &[Field] = &[
    (
        "type",
        Enum(&[
            "TYPE_UNSPECIFIED",
            "STRING",
            "NUMBER",
            "INTEGER",
            "BOOLEAN",
            "ARRAY",
            "OBJECT",
            "NULL",
            "string",
            "number",
            "integer",
            "boolean",
            "array",
            "object",
            "null",
        ]),
    ),
    ("format", Text),
    ("title", Text),
    ("description", Text),
    ("nullable", Bool),
    ("enum", Texts),
    ("maxItems", Integer),
    ("minItems", Integer),
    ("properties", SameMap),
    ("required", Texts),
    ("minProperties", Integer),
    ("maxProperties", Integer),
    ("minLength", Integer),
    ("maxLength", Integer),
    ("pattern", Text),
    ("example", Any),
    ("anyOf", SameList),
    ("propertyOrdering", Texts),
    ("default", Any),
    ("items", Same),
    ("minimum", Number),
    ("maximum", Number),
];

static TOOL_CONFIG: &[Field] = &[
    (
        "functionCallingConfig",
        Message(&[
            ("mode", Enum(&["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"])),
            ("allowedFunctionNames", Texts),
        ]),
    ),
    ("retrievalConfig", Any),
];

static SAFETY: &[Field] = &[
    (
        "category",
        Enum(&[
            "HARM_CATEGORY_HARASSMENT",
            "HARM_CATEGORY_HATE_SPEECH",
            "HARM_CATEGORY_SEXUALLY_EXPLICIT",
            "HARM_CATEGORY_DANGEROUS_CONTENT",
            "HARM_CATEGORY_CIVIC_INTEGRITY",
            "HARM_CATEGORY_JAILBREAK",
        ]),
    ),
    (
        "threshold",
        Enum(&[
            "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
            "OFF",
            "BLOCK_NONE",
            "BLOCK_ONLY_HIGH",
            "BLOCK_MEDIUM_AND_ABOVE",
            "BLOCK_LOW_AND_ABOVE",
        ]),
    ),
];

static GENERATION: &[Field] = &[
    ("stopSequences", Texts),
    ("responseMimeType", Enum(&["text/plain", "application/json", "text/x.enum"])),
    ("responseSchema", Message(SCHEMA)),
    ("responseJsonSchema", Any),
    ("responseModalities", Texts),
    ("candidateCount", Integer),
    ("maxOutputTokens", Integer),
    ("temperature", Number),
    ("topP", Number),
    ("topK", Integer),
    ("seed", Integer),
    ("presencePenalty", Number),
    ("frequencyPenalty", Number),
    ("responseLogprobs", Bool),
    ("logprobs", Integer),
    ("mediaResolution", Text),
    ("speechConfig", Any),
    ("imageConfig", Message(&[("aspectRatio", Text), ("imageSize", Text)])),
    (
        "thinkingConfig",
        Message(&[
            ("includeThoughts", Bool),
            ("thinkingBudget", Integer),
            (
                "thinkingLevel",
                Enum(&[
                    "THINKING_LEVEL_UNSPECIFIED",
                    "MINIMAL",
                    "LOW",
                    "MEDIUM",
                    "HIGH",
                    "minimal",
                    "low",
                    "medium",
                    "high",
                ]),
            ),
        ]),
    ),
];
