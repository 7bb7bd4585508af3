//! A workspace as an actor: it owns the account; everyone else holds a handle or, while a request runs, a lease.

mod actor;
mod billing;
mod handle;
mod keys;
mod lease;
mod payment;

pub use actor::{
    Admit, AdmitFree, AdmitReply, ChangeSettings, Close, CloseReply, Credit, CreditFailed, Describe, Extend, Granted,
    How, NotAdmitted, NoteProgress, ReadStanding, WorkspaceActor, WorkspaceView,
};
pub use handle::{AskError, Rebuild, WorkspaceHandle};
pub use keys::{CreateKey, KeyUse, RevokeKey, RotateFailed, RotateKey, UseKey, Used};
pub use lease::{Lease, Settled};
pub use payment::{Carried, Pay, PayError};
