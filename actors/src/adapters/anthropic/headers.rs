//! The request headers of the protocol: its version, and the beta features that may pass.

/// The version sent with a body that we translated: the older one, since it still takes sampling
/// parameters. A forwarded body goes with the caller's own version.
pub const VERSION_FOR_TRANSLATION: &str = "2023-06-01";

/// Beta features by name, without their dates. Left out are those that change the price or reach into
/// data of the account that we pay with: files, code execution, skills, remote tools, fast mode,
/// context management and compaction, caching across an organisation.
const ALLOWED_BETAS: [&str; 18] = [
    "adaptive-thinking",
    "claude-code",
    "context-1m",
    "dev-full-thinking",
    "effort",
    "extended-cache-ttl",
    "fine-grained-tool-streaming",
    "interleaved-thinking",
    "max-tokens-3-5-sonnet",
    "messages",
    "model-context-window-exceeded",
    "output-128k",
    "pdfs",
    "prompt-caching",
    "redact-thinking",
    "structured-outputs",
    "token-efficient-tools",
    "tools",
];

/// The value of `anthropic-beta` that may be sent to Anthropic itself; `None` where nothing is left. To
/// any other provider none is sent.
pub fn allowed_betas(header: &str) -> Option<String> {
    let mut allowed: Vec<&str> = Vec::new();
    for beta in header.split(',').map(str::trim) {
        if is_allowed(beta) && !allowed.contains(&beta) {
            allowed.push(beta);
        }
    }
    (!allowed.is_empty()).then(|| allowed.join(","))
}

/// A name on the list, a hyphen, and a date.
fn is_allowed(beta: &str) -> bool {
    ALLOWED_BETAS.iter().any(|name| {
        let date = beta.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        date.is_some_and(|date| {
            (8..=10).contains(&date.len()) && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_pass_by_name_and_those_with_a_price_do_not() {
        let header = "claude-code-20250219, interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14,\
            context-1m-2025-08-07,files-api-2025-04-14,code-execution-2025-08-25,mcp-client-2025-11-20,\
            fast-mode-2026-02-01,context-management-2025-06-27,skills-2025-10-02,oauth-2025-04-20,\
            prompt-caching-scope-2026-01-05,prompt-caching-2024-07-31,extended-cache-ttl-2025-04-11,\
            output-128k-2025-02-19,structured-outputs-2025-11-13,token-efficient-tools-2025-02-19,effort-2025-11-24,\
            claude-code-20250219,compact-2026-01-12";
        assert_eq!(
            allowed_betas(header).unwrap(),
            "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14,\
            context-1m-2025-08-07,prompt-caching-2024-07-31,extended-cache-ttl-2025-04-11,output-128k-2025-02-19,\
            structured-outputs-2025-11-13,token-efficient-tools-2025-02-19,effort-2025-11-24"
        );
    }

    #[test]
    fn nothing_left_is_no_header() {
        assert_eq!(allowed_betas(""), None);
        assert_eq!(allowed_betas("files-api-2025-04-14"), None);
        assert_eq!(allowed_betas("effort-x\r\nx-api-key: y"), None, "nothing but a date may follow a name");
    }
}
