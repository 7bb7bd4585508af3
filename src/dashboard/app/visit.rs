//! One visit to a signed-in page: whose workspace, as whom, and how a page fails.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::system::Core;
use lmhaven_actors::workspace::{AskError, Describe, WorkspaceHandle, WorkspaceView};

use crate::dashboard::charges::Known;
use crate::dashboard::page::{self, Notice, Shell, Tab, Tone, WorkspaceChoice};
use crate::dashboard::public::missing;
use crate::extract::session::SignedIn;
use crate::relay::Worker;

/// What the person's role lets them do in this workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct May {
    /// Create and revoke keys, and spend the balance in the playground.
    pub keys: bool,
    /// Pay.
    pub money: bool,
    /// Change the workspace and its members.
    pub settings: bool,
}

/// One visit.
#[derive(Debug)]
pub struct Visit {
    /// What stands around the page.
    pub shell: Shell,
    /// What the person may do.
    pub may: May,
    /// The workspace.
    pub workspace: WorkspaceHandle,
    /// What it has and is set to.
    pub view: WorkspaceView,
}

/// A page cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such thing in this workspace.
    Missing,
    /// The role does not allow it.
    Forbidden,
    /// The workspace or the store does not answer.
    Unavailable,
}

#[derive(Template)]
#[template(path = "app/trouble.html")]
struct TroublePage {
    title: &'static str,
    words: &'static str,
}

impl Trouble {
    /// The page that says so.
    pub fn respond(self) -> HttpResponse {
        let (status, title, words) = match self {
            Self::Missing => return missing(),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "Not allowed",
                "Your role in this workspace does not allow this, or the page was open for too long. Open it anew and try \
                 again; an owner can change roles under Members.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available",
                "This cannot be read or written right now. Nothing was changed; try again in a moment.",
            ),
        };
        page::private(status, &TroublePage { title, words })
    }
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Self {
        tracing::error!(%error, "a page could not ask its workspace");
        Self::Unavailable
    }
}

impl Visit {
    /// A visit by somebody who is signed in, to the workspace that they look at.
    ///
    /// # Errors
    /// A workspace does not answer.
    pub async fn of(worker: &Worker, who: SignedIn) -> Result<Self, Trouble> {
        let directory = &worker.gateway.core.directory;
        let workspace = directory.find(who.workspace).ok_or(Trouble::Unavailable)?;
        let view = workspace.ask(Describe).await?;
        let may = May { keys: who.role.may_keys(), money: who.role.may_money(), settings: who.role.may_members() };
        let shell = Shell { notices: notices(&view, may), ..shell_of(&worker.gateway.core, &who, Tab::None) };
        Ok(Self { shell, may, workspace, view })
    }

    /// The shell of this visit's page.
    pub fn shell(&self, tab: Tab) -> Shell {
        Shell { current: tab, ..self.shell.clone() }
    }

    /// Names and prices that rows are written with.
    pub fn known(&self, core: &Core) -> Known {
        let key_names: HashMap<KeyId, String> =
            self.view.keys.iter().map(|key| (key.created.key, key.created.name.clone())).collect();
        Known { key_names, books: core.prices.all() }
    }
}

/// What stands around a page that this person looks at.
pub fn shell_of(core: &Core, who: &SignedIn, current: Tab) -> Shell {
    let (workspace_name, workspaces) = core.office(|office| {
        let name = |id| office.people.workspace_name(id).to_owned();
        let choices = who.workspaces.iter().map(|(id, _)| WorkspaceChoice {
            id: id.to_string(),
            name: name(*id),
            current: *id == who.workspace,
        });
        (name(who.workspace), choices.collect())
    });
    Shell {
        current,
        email: who.email.to_string(),
        role: who.role.name(),
        workspace_name,
        workspaces,
        csrf: who.csrf.clone(),
        flash: None,
        notices: Vec::new(),
    }
}

/// What holds for every page until it is mended. Pages themselves never depend on the balance.
fn notices(view: &WorkspaceView, may: May) -> Vec<Notice> {
    let mut notices = Vec::new();
    if view.settings.suspended {
        notices
            .push(Notice::new(Tone::Failure, "This workspace is suspended: its keys are refused. Please contact us."));
    }
    if !view.settings.email_verified {
        let text = "The owner’s e-mail address is not confirmed yet: keys answer 403 until it is.";
        notices.push(Notice::new(Tone::Warning, text).linked("/app/account", "Send the mail again"));
    }
    let ever_used = view.keys.iter().any(|key| key.last_used_at.is_some());
    if view.standing.balance() == NanoUsd::ZERO && ever_used {
        let notice = Notice::new(Tone::Failure, "The balance is empty: requests answer 402.");
        notices.push(if may.money { notice.linked("/app/billing", "Top up") } else { notice });
    }
    notices
}
