//! A workspace as an actor: it owns the account; everyone else holds a handle or, while a request runs, a lease.

mod actor;
mod billing;
mod handle;
mod lease;
mod payment;

pub use actor::{
    Admit, AdmitFree, AdmitReply, ChangeSettings, Close, CloseReply, CreateKey, Credit, CreditFailed, Describe, Extend,
    Granted, How, NotAdmitted, NoteProgress, ReadStanding, RevokeKey, WorkspaceActor, WorkspaceView,
};
pub use handle::{AskError, Rebuild, WorkspaceHandle};
pub use lease::{Lease, Settled};
pub use payment::{Carried, Pay, PayError};
