//! Whoever looks at a signed-in page, with what stands around it: the seam between accounts and the dashboard.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use lmhaven_actors::workspace::WorkspaceHandle;

use crate::dashboard::app::{May, Visitor};
use crate::dashboard::page::{Shell, Tab, WorkspaceChoice};
use crate::extract::session::SignedIn;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// Somebody who is signed in and looks at a workspace.
#[derive(Debug)]
pub struct Looking {
    /// Who, at what, as what.
    pub signed_in: SignedIn,
    shell: Shell,
    workspace: WorkspaceHandle,
}

/// The shell of a page that this person looks at.
pub fn shell(gateway: &Gateway, signed_in: &SignedIn, current: Tab) -> Shell {
    let (workspace_name, workspaces) = gateway.core.office(|office| {
        let name = |id| office.people.workspace_name(id).to_owned();
        let choice = |(id, _): &(_, _)| WorkspaceChoice {
            id: lmhaven_actors::domain::ids::WorkspaceId::to_string(id),
            name: name(*id),
            current: *id == signed_in.workspace,
        };
        (name(signed_in.workspace), signed_in.workspaces.iter().map(choice).collect())
    });
    Shell {
        current,
        email: signed_in.email.to_string(),
        role: signed_in.role.name(),
        workspace_name,
        workspaces,
        csrf: signed_in.csrf.clone(),
        flash: None,
        notices: Vec::new(),
    }
}

impl Visitor for Looking {
    fn into_parts(self) -> (Shell, May, WorkspaceHandle) {
        let role = self.signed_in.role;
        let may = May { keys: role.may_keys(), money: role.may_money(), settings: role.may_members() };
        (self.shell, may, self.workspace)
    }
}

impl FromRequest for Looking {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed_in = SignedIn::from_request(request, payload);
        let worker = request.app_data::<WorkerData>().cloned();
        Box::pin(async move {
            let signed_in = signed_in.await?;
            let gone = || actix_web::error::ErrorServiceUnavailable("the workspace does not answer");
            let gateway = &worker.ok_or_else(gone)?.gateway;
            let workspace = gateway.core.directory.find(signed_in.workspace).ok_or_else(gone)?;
            let shell = shell(gateway, &signed_in, Tab::None);
            Ok(Self { signed_in, shell, workspace })
        })
    }
}
