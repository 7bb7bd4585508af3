//! Notices about a balance that falls: one mail for each crossing.
//!
//! What was last noted of each workspace is kept as facts and compared with the committed balance, so that a crossing that
//! a crash kept from being noted is found at the next look, and one that was noted is not told twice.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{MailContent, MailFact};
use crate::domain::ids::WorkspaceId;
use crate::domain::money::NanoUsd;

/// Below it a balance counts as used up: what is left does not pay for a request worth making.
pub const USED_UP_BELOW: NanoUsd = NanoUsd::from_nano(10_000_000);
/// The line of a workspace that chose none.
pub const LINE_DEFAULT: NanoUsd = NanoUsd::from_nano(5_000_000_000);

/// Where a balance stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceLevel {
    /// Used up. So is every workspace before its first money, about which nobody needs a mail.
    #[default]
    Zero,
    /// Below the line.
    Low,
    /// At the line or above it.
    Fine,
}

/// A balance stands elsewhere than was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Where it stands now.
    pub level: BalanceLevel,
    /// What to tell, where it fell.
    pub content: Option<MailContent>,
}

/// The lines of all workspaces, and what was noted of them.
#[derive(Debug, Default)]
pub struct Notices {
    lines: HashMap<WorkspaceId, Option<NanoUsd>>,
    noted: HashMap<WorkspaceId, BalanceLevel>,
}

impl Notices {
    /// Something happened; other facts change nothing.
    pub fn apply(&mut self, fact: &MailFact) {
        match fact {
            MailFact::NoticeLineSet { workspace, line_usd, .. } => {
                self.lines.insert(*workspace, *line_usd);
            }
            MailFact::BalanceNoted { workspace, level, .. } => {
                self.noted.insert(*workspace, *level);
            }
            MailFact::Queued(_)
            | MailFact::Sent { .. }
            | MailFact::AttemptFailed { .. }
            | MailFact::GivenUp { .. }
            | MailFact::Resent { .. } => {}
        }
    }

    /// The line below which a workspace is told; `None` where it does not want to be. That it is used up is told anyway.
    pub fn line(&self, workspace: WorkspaceId) -> Option<NanoUsd> {
        self.lines.get(&workspace).copied().unwrap_or(Some(LINE_DEFAULT))
    }

    /// Where a workspace's balance was last seen.
    pub fn level(&self, workspace: WorkspaceId) -> BalanceLevel {
        self.noted.get(&workspace).copied().unwrap_or_default()
    }

    /// What follows from a workspace's balance; `None` where it stands as it was noted.
    pub fn crossing(&self, workspace: WorkspaceId, balance: NanoUsd) -> Option<Crossing> {
        let line = self.line(workspace);
        let level = match line {
            _ if balance < USED_UP_BELOW => BalanceLevel::Zero,
            Some(line) if balance < line => BalanceLevel::Low,
            _ => BalanceLevel::Fine,
        };
        let noted = self.level(workspace);
        let content = match (level < noted, level, line) {
            (true, BalanceLevel::Zero, _) => Some(MailContent::ZeroBalance),
            (true, _, Some(threshold_usd)) => Some(MailContent::LowBalance { available_usd: balance, threshold_usd }),
            _ => None,
        };
        (level != noted).then_some(Crossing { level, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UnixMillis;

    const AT: UnixMillis = UnixMillis(1);

    fn workspace() -> WorkspaceId {
        WorkspaceId::from_bits(1)
    }

    /// Notes a balance, and tells which mail follows.
    fn look(notices: &mut Notices, usd: &str) -> Option<&'static str> {
        let crossing = notices.crossing(workspace(), usd.parse().unwrap())?;
        notices.apply(&MailFact::BalanceNoted { workspace: workspace(), at: AT, level: crossing.level });
        assert_eq!(notices.crossing(workspace(), usd.parse().unwrap()), None, "noted is not told twice");
        crossing.content.map(|content| content.kind())
    }

    #[test]
    fn a_crossing_is_told_once_and_armed_again_by_a_rise() {
        let mut notices = Notices::default();
        let seen = ["0", "25", "5", "4.99", "3", "5", "4", "0.01", "0.009", "0", "4", "0", "25", "0"]
            .map(|usd| look(&mut notices, usd));
        let (low, zero) = (Some("low_balance"), Some("zero_balance"));
        let told = [None, None, None, low, None, None, low, None, zero, None, None, zero, None, zero];
        assert_eq!(seen, told);
    }

    #[test]
    fn a_workspace_chooses_its_line_or_none() {
        let mut notices = Notices::default();
        let set = |line: Option<&str>| MailFact::NoticeLineSet {
            workspace: workspace(),
            at: AT,
            line_usd: line.map(|usd| usd.parse().unwrap()),
        };
        notices.apply(&set(Some("20")));
        assert_eq!(["25", "19"].map(|usd| look(&mut notices, usd)), [None, Some("low_balance")]);
        notices.apply(&set(None));
        let seen = ["25", "19", "0.5", "0"].map(|usd| look(&mut notices, usd));
        assert_eq!(seen, [None, None, None, Some("zero_balance")]);
    }
}
