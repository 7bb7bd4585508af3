//! The operators' side of accounts: where their pages are, their cookies and forms, and the links that make one.
//!
//! Their pages are on the admin port, so address, cookie and origin are others than the customers'. A link's token is an HMAC
//! of its id, as those of mails; it is shown once, to whoever starts the gateway or has the admin token, and journalled nowhere.

use std::sync::Arc;

use lmhaven_actors::domain::fact::{AuditRow, Fact};
use lmhaven_actors::domain::people::{Email, OPERATOR_LINK_LIVES};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{ChangeError, Core, fresh};

use super::{Accounts, cookie, csrf};

/// Where the operators' pages are, and what belongs to that address.
#[derive(Debug)]
pub struct Side {
    /// The address without a path.
    pub url: String,
    /// How their cookies are named and flagged.
    pub cookies: cookie::Cookies,
    /// Where their forms may come from.
    pub origin: csrf::OwnOrigin,
}

impl Side {
    /// By the address that operators open.
    pub fn of(admin_url: &str) -> Self {
        Self {
            url: admin_url.to_owned(),
            cookies: cookie::Cookies::of(admin_url),
            origin: csrf::OwnOrigin::of(admin_url),
        }
    }
}

/// A link that makes an operator. Whoever has it may become one.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorLink {
    /// The whole address.
    pub url: String,
    /// Until when it works.
    pub expires_at: UnixMillis,
}

impl Accounts {
    /// A link with which the first operator is set up; earlier ones stop working. `None` where there is an operator.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn begin_set_up(&self, core: &Arc<Core>) -> Result<Option<OperatorLink>, ChangeError> {
        let begun = super::decide(core, |people, now| {
            let link = fresh::link_id(now);
            let decided = people.begin_set_up(link, now);
            Ok::<_, ChangeError>((decided.is_some().then_some((link, now)), decided.unwrap_or_default()))
        });
        Ok(begun.await?.map(|(link, now)| self.operator_link(link, now)))
    }

    /// A link with which whoever has this address becomes an operator, or sets another password as one.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn invite_operator(
        &self,
        core: &Arc<Core>,
        email: Email,
        audit: AuditRow,
    ) -> Result<OperatorLink, ChangeError> {
        let begun = super::decide(core, |people, now| {
            let link = fresh::link_id(now);
            let mut decided = people.invite_operator(email, link, now);
            decided.facts.push(Fact::Audited(audit));
            Ok::<_, ChangeError>(((link, now), decided))
        });
        let (link, now) = begun.await?;
        Ok(self.operator_link(link, now))
    }

    fn operator_link(&self, link: lmhaven_actors::domain::ids::LinkId, now: UnixMillis) -> OperatorLink {
        let (url, token) = (&self.operators.url, self.keys.link_token(link));
        OperatorLink {
            url: format!("{url}/operator/set-up?token={token}"),
            expires_at: now.plus_millis(OPERATOR_LINK_LIVES),
        }
    }
}
