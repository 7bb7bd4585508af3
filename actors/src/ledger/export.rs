//! The journal as JSON lines: one record a line, in order, for people and other programs.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde::Serialize;

use super::json::EntryView;
use super::{Ledger, LedgerError, Position, Record};
use crate::domain::entry::{RequestStep, TxId};
use crate::domain::fact::Fact;
use crate::domain::ids::{RequestId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::usage::Usage;

/// An export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lines could not be written.
    #[error("the export could not be written: {0}")]
    Write(#[from] io::Error),
}

/// One line.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Entry { position: Position, workspace_id: WorkspaceId, txid: String, entry: EntryView<'a> },
    Progress { position: Position, workspace_id: WorkspaceId, progress: ProgressView },
    Fact { position: Position, fact: &'a Fact },
}

#[derive(Serialize)]
struct ProgressView {
    request_id: RequestId,
    usage: Usage,
    charge_usd: NanoUsd,
}

/// Writes every record as a line of JSON and answers how many there were.
///
/// # Errors
/// [`ExportError`]; the lines before it were written.
pub fn export(ledger: &dyn Ledger, out: &mut dyn Write) -> Result<u64, ExportError> {
    let mut lines = 0;
    let mut written = Ok(());
    ledger.replay(Position::default(), &mut |position, record| {
        written = write_line(position, &record, out);
        if written.is_err() {
            return ControlFlow::Break(());
        }
        lines += 1;
        ControlFlow::Continue(())
    })?;
    written?;
    out.flush()?;
    Ok(lines)
}

fn write_line(position: Position, record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let line = match record {
        Record::Entry(entry) => {
            let (workspace_id, txid) = (entry.workspace, txid_text(&entry.txid));
            Line::Entry { position, workspace_id, txid, entry: EntryView::from(entry) }
        }
        Record::Progress { workspace, request, progress } => {
            let progress = ProgressView { request_id: *request, usage: progress.usage, charge_usd: progress.charge };
            Line::Progress { position, workspace_id: *workspace, progress }
        }
        Record::Fact(fact) => Line::Fact { position, fact },
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// A transaction id as text: `req_…:hold`, `credit:<idempotency key>`, `pay:<payment id>`.
fn txid_text(txid: &TxId) -> String {
    match txid {
        TxId::Request(request, RequestStep::Hold) => format!("{request}:hold"),
        TxId::Request(request, RequestStep::Extend(n)) => format!("{request}:extend:{n}"),
        TxId::Request(request, RequestStep::Close) => format!("{request}:close"),
        TxId::Request(request, RequestStep::Writeoff) => format!("{request}:writeoff"),
        TxId::Credit(key) => format!("credit:{key}"),
        TxId::Payment(id) => format!("pay:{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::memory::MemoryLedger;
    use crate::ledger::samples;

    #[test]
    fn every_record_is_a_line_of_json() {
        let ledger = MemoryLedger::new();
        ledger.append(&samples::one_of_each()).unwrap();
        let mut out = Vec::new();
        assert_eq!(export(&ledger, &mut out).unwrap(), 10);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 10);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_full_disk_ends_the_export_with_an_error() {
        let ledger = MemoryLedger::new();
        ledger.append(&samples::one_of_each()).unwrap();
        let mut space = [0_u8; 100];
        assert!(matches!(export(&ledger, &mut space.as_mut_slice()), Err(ExportError::Write(_))));
    }
}
