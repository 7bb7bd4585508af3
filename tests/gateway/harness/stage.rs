//! The dashboard with somebody on it: served beside the gateway, for a person who is signed in without a session.
//!
//! What a session decides (who, as what, in which workspace) is given; everything behind it is the gateway's own: its routes,
//! its pages, its guard. Sessions have tests of their own.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::{Payload, ServerHandle};
use actix_web::{App, FromRequest, HttpRequest, HttpServer, web};
use lmhaven::dashboard::app::{May, Visitor};
use lmhaven::dashboard::page::{Shell, Tab, WorkspaceChoice};
use lmhaven::relay::{Gateway, Worker};
use lmhaven::routes;
use lmhaven_actors::workspace::WorkspaceHandle;

use super::{Haven, Reply};

/// What forms of a staged session carry.
pub(crate) const CSRF: &str = "token-of-the-stage";
/// An owner's rights.
pub(crate) const OWNER: May = May { keys: true, money: true, settings: true };
/// A viewer's.
pub(crate) const VIEWER: May = May { keys: false, money: false, settings: false };

/// A dashboard that is open.
pub(crate) struct Stage {
    /// Its address.
    pub(crate) base: String,
    client: reqwest::Client,
    handle: ServerHandle,
}

/// Who is on it.
#[derive(Clone)]
pub(crate) struct Cast {
    gateway: Arc<Gateway>,
    workspace: String,
    email: String,
    may: May,
}

struct Staged {
    cast: Cast,
    workspace: WorkspaceHandle,
}

impl FromRequest for Staged {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let cast = request.app_data::<web::Data<Cast>>().expect("a cast").get_ref().clone();
        let workspace = cast.gateway.core.directory.find(cast.workspace.parse().unwrap()).expect("a workspace");
        ready(Ok(Self { cast, workspace }))
    }
}

impl Visitor for Staged {
    fn into_parts(self) -> (Shell, May, WorkspaceHandle) {
        let Self { cast, workspace } = self;
        let name = "Harbour & Sons".to_owned();
        let shell = Shell {
            current: Tab::None,
            email: cast.email,
            role: if cast.may == OWNER { "owner" } else { "viewer" },
            workspace_name: name.clone(),
            workspaces: vec![
                WorkspaceChoice { id: cast.workspace, name, current: true },
                WorkspaceChoice { id: "ws_other".to_owned(), name: "Another".to_owned(), current: false },
            ],
            csrf: CSRF.to_owned(),
            flash: None,
            notices: Vec::new(),
        };
        (shell, cast.may, workspace)
    }
}

impl Haven {
    /// Opens the dashboard for somebody in this workspace.
    pub(crate) fn stage(&self, workspace: &str, may: May) -> Stage {
        let email = "ada@example.com".to_owned();
        let cast = Cast { gateway: self.server.gateway.clone(), workspace: workspace.to_owned(), email, may };
        let server = HttpServer::new(move || {
            let worker = Worker::start(cast.gateway.clone());
            let data = App::new().app_data(web::Data::new(worker)).app_data(web::Data::new(cast.clone()));
            data.configure(routes::app::<Staged>).configure(routes::public)
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Stage { base, client, handle }
    }
}

impl Stage {
    /// A page.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::to(self.client.get(format!("{}{path}", self.base)).header("accept", "text/html")).await
    }

    /// A form of a page of ours.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let fields = fields.iter().copied().chain([("csrf", CSRF)]);
        let body: Vec<_> =
            fields.map(|(name, value)| format!("{name}={}", lmhaven::dashboard::query::encoded(value))).collect();
        self.send(path, "same-origin", &body.join("&")).await
    }

    /// A form from anywhere, with what the browser says of it.
    pub(crate) async fn send(&self, path: &str, site: &str, body: &str) -> Reply {
        let request = self.client.post(format!("{}{path}", self.base)).header("sec-fetch-site", site);
        Reply::to(request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())).await
    }

    /// What the playground's script sends.
    pub(crate) fn playground(&self, modality: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/app/playground/{modality}", self.base)).json(body);
        request.header("x-csrf-token", CSRF).header("sec-fetch-site", "same-origin")
    }

    /// Closes it.
    pub(crate) async fn close(self) {
        self.handle.stop(false).await;
    }
}
