//! Signatures of tool calls, kept for callers whose client does not carry them back.
//!
//! The third carrier of `wire/translation.md` §5: by workspace and tool-call id, in memory only, for an
//! hour. Forgetting one costs quality, never correctness: the adapter has a fallback.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmhaven_actors::chat::{Part, Request, Signature};
use lmhaven_actors::domain::ids::WorkspaceId;
use parking_lot::Mutex;

/// How long one is kept: longer than any agent waits between two turns.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// How many are kept: at about 1 KiB each a few tens of MiB at the most.
const KEPT_MAX: usize = 32_768;

/// The signatures that passed by.
#[derive(Debug, Default)]
pub struct SignatureCache {
    kept: Mutex<HashMap<CallOf, (Signature, Instant)>>,
}

/// A tool call of a workspace.
type CallOf = (WorkspaceId, Arc<str>);

impl SignatureCache {
    /// Keeps a tool call's signature.
    pub fn keep(&self, workspace: WorkspaceId, call_id: &str, signature: Signature) {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, (_, at)| now.duration_since(*at) < KEPT_FOR);
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
        }
        kept.insert((workspace, call_id.into()), (signature, now));
    }

    /// Puts signatures back on tool calls that came without one.
    pub fn restore(&self, workspace: WorkspaceId, request: &mut Request) {
        let kept = self.kept.lock();
        if kept.is_empty() {
            return;
        }
        for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
            if let Part::ToolCall { id, signature: signature @ None, .. } = part {
                let known = kept.get(&(workspace, id.as_str().into()));
                *signature = known.filter(|(_, at)| at.elapsed() < KEPT_FOR).map(|(known, _)| known.clone());
            }
        }
    }
}
