//! The control desk: scripts go in, calls and counters come out.
//!
//! Tests in the same process hold a [`Control`]; others use the `/__…` paths. Both work on the same state, which all
//! worker threads of the server share. The lock is held for a few lines and never across an await.

use crate::{
    books::{Books, Permit},
    cache::PromptCache,
    call::{Call, Ending, Stats, Usage},
    media::Tasks,
    script::{Rule, Sought},
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicU64},
};
use tokio::sync::Notify;

/// Calls remembered with headers and body. Counters cover all; the limit keeps a load test from filling the memory.
const CALLS_KEPT_MAX: usize = 10_000;

/// Access to a running simulator. Clones share it.
#[derive(Clone)]
pub struct Control(Arc<Desk>);

struct Desk {
    state: Mutex<State>,
    changed: Notify,
    stalls_ended: Notify,
    cache: Mutex<PromptCache>,
    tasks: Mutex<Tasks>,
    responses: AtomicU64,
}

#[derive(Default)]
struct State {
    rules: Vec<ScriptedRule>,
    keys: Vec<String>,
    calls: VecDeque<Call>,
    next_id: u64,
    stats: Stats,
    books: Books,
}

struct ScriptedRule {
    rule: Arc<Rule>,
    seen: u64,
}

// --- For tests ----------------------------------------------------------------------------------------------------

impl Control {
    /// Adds a rule behind those that are there.
    pub fn script(&self, rule: Rule) {
        self.0.state.lock().rules.push(ScriptedRule { rule: Arc::new(rule), seen: 0 });
    }

    /// Forgets the rules; calls and counters stay.
    pub fn clear_script(&self) {
        self.0.state.lock().rules.clear();
    }

    /// Forgets rules, calls, counters, charges, balances, tasks and cached prompts. Calls still open stay counted as
    /// open.
    pub fn reset(&self) {
        let mut state = self.0.state.lock();
        state.rules.clear();
        let open = state.calls.iter().filter(|call| call.ending.is_none()).cloned().collect();
        state.calls = open;
        let Stats { open, open_streams, .. } = state.stats;
        state.stats =
            Stats { open, open_streams, open_peak: open, open_streams_peak: open_streams, ..Stats::default() };
        state.books.reset();
        *self.0.cache.lock() = PromptCache::default();
        *self.0.tasks.lock() = Tasks::default();
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Ends the silence of the calls that are silent for ever right now: their answers go on as usual.
    pub fn end_stalls(&self) {
        self.0.stalls_ended.notify_waiters();
    }

    /// Accepts only these API keys from now on; any key that is not empty when the list is.
    pub fn accept_keys(&self, keys: impl IntoIterator<Item = impl Into<String>>) {
        self.0.state.lock().keys = keys.into_iter().map(Into::into).collect();
    }

    /// The calls remembered, oldest first: the last ten thousand.
    pub fn calls(&self) -> Vec<Call> {
        self.0.state.lock().calls.iter().cloned().collect()
    }

    /// The call that came last.
    pub fn last_call(&self) -> Option<Call> {
        self.0.state.lock().calls.back().cloned()
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.0.state.lock().stats.clone()
    }

    /// Waits until the counters satisfy a condition, and answers them. Put a timeout around it.
    pub async fn wait_until(&self, mut condition: impl FnMut(&Stats) -> bool) -> Stats {
        self.wait_for(|state| condition(&state.stats).then(|| state.stats.clone())).await
    }

    /// Waits for a call that satisfies a condition, and answers it. Put a timeout around it.
    pub async fn wait_for_call(&self, mut condition: impl FnMut(&Call) -> bool) -> Call {
        self.wait_for(|state| state.calls.iter().find(|call| condition(call)).cloned()).await
    }

    pub(crate) async fn wait_for_books<T>(&self, mut look: impl FnMut(&Books) -> Option<T>) -> T {
        self.wait_for(|state| look(&state.books)).await
    }

    async fn wait_for<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        loop {
            // Enlisted before the look, so that no change can fall between the look and the wait.
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let found = look(&self.0.state.lock());
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }
}

// --- For the server -----------------------------------------------------------------------------------------------

impl Control {
    pub(crate) fn new(keys: Vec<String>) -> Self {
        let state = State { keys, ..State::default() };
        Self(Arc::new(Desk {
            state: Mutex::new(state),
            changed: Notify::new(),
            stalls_ended: Notify::new(),
            cache: Mutex::default(),
            tasks: Mutex::default(),
            responses: AtomicU64::new(0),
        }))
    }

    /// A number that no other response has, for response ids.
    pub(crate) fn response_number(&self) -> u64 {
        self.0.responses.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// Waits until a silence without a time is ended.
    pub(crate) async fn stalls_ended(&self) {
        self.0.stalls_ended.notified().await;
    }

    pub(crate) fn accepts(&self, key: &str) -> bool {
        let state = self.0.state.lock();
        !key.is_empty() && (state.keys.is_empty() || state.keys.iter().any(|own| own == key))
    }

    pub(crate) fn with_cache<T>(&self, work: impl FnOnce(&mut PromptCache) -> T) -> T {
        work(&mut self.0.cache.lock())
    }

    pub(crate) fn with_tasks<T>(&self, work: impl FnOnce(&mut Tasks) -> T) -> T {
        work(&mut self.0.tasks.lock())
    }

    pub(crate) fn with_books<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        let answer = work(&mut self.0.state.lock().books);
        self.0.changed.notify_waiters();
        answer
    }

    /// Notes a call and answers its open record.
    pub(crate) fn open(&self, mut call: Call) -> OpenCall {
        let streamed = call.streamed;
        let mut state = self.0.state.lock();
        state.next_id += 1;
        let id = state.next_id;
        call.id = id;
        let stats = &mut state.stats;
        stats.calls += 1;
        stats.open += 1;
        stats.open_streams += u64::from(streamed);
        stats.open_peak = stats.open_peak.max(stats.open);
        stats.open_streams_peak = stats.open_streams_peak.max(stats.open_streams);
        for (name, counts) in [(&call.model, &mut stats.by_model), (&call.key, &mut stats.by_key)] {
            if let Some(name) = name {
                *counts.entry(name.clone()).or_default() += 1;
            }
        }
        if state.calls.len() >= CALLS_KEPT_MAX {
            state.calls.pop_front();
        }
        state.calls.push_back(call);
        drop(state);
        self.0.changed.notify_waiters();
        OpenCall { control: self.clone(), id, streamed, ended: false, usage: None, events: 0, permit: None }
    }

    /// The rule for a call, which counts as used once.
    pub(crate) fn take_rule(&self, call: &Sought<'_>) -> Option<Arc<Rule>> {
        let mut state = self.0.state.lock();
        for scripted in &mut state.rules {
            let last = scripted.rule.times.map(|times| scripted.rule.skip.saturating_add(times));
            let is_used_up = last.is_some_and(|last| scripted.seen >= last);
            if is_used_up || !scripted.rule.matches(call) {
                continue;
            }
            scripted.seen += 1;
            if scripted.seen > scripted.rule.skip {
                return Some(Arc::clone(&scripted.rule));
            }
        }
        None
    }

    fn change(&self, id: u64, work: impl FnOnce(&mut Stats, Option<&mut Call>)) {
        let mut state = self.0.state.lock();
        let State { calls, stats, .. } = &mut *state;
        // Ids ascend; after a reset they may have gaps.
        let call = calls.binary_search_by_key(&id, |call| call.id).ok().and_then(|at| calls.get_mut(at));
        work(stats, call);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

/// A call in progress. Dropping it without an ending means that the connection went away: the client hung up.
pub(crate) struct OpenCall {
    control: Control,
    id: u64,
    streamed: bool,
    ended: bool,
    usage: Option<Usage>,
    events: u64,
    permit: Option<Permit>,
}

impl OpenCall {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Keeps a permit until the call ends.
    pub(crate) fn hold(&mut self, permit: Option<Permit>) {
        self.permit = permit;
    }

    pub(crate) fn answered(&self, status: u16) {
        self.control.change(self.id, |stats, call| {
            *stats.by_status.entry(status).or_default() += 1;
            if let Some(call) = call {
                call.status = Some(status);
            }
        });
    }

    pub(crate) const fn control(&self) -> &Control {
        &self.control
    }

    /// Notes an event handed to the connection, and what the call costs with it.
    pub(crate) fn sent(&mut self, usage: Usage) {
        self.usage = Some(usage);
        self.events += 1;
        self.control.change(self.id, |stats, call| {
            stats.events += 1;
            if let Some(call) = call {
                call.events += 1;
                call.usage = Some(usage);
            }
        });
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        // Before the end is known: whoever waits for the end finds the place free.
        self.permit = None;
        let (usage, streamed) = (self.usage, self.streamed);
        self.control.change(self.id, |stats, call| {
            stats.open = stats.open.saturating_sub(1);
            stats.open_streams = stats.open_streams.saturating_sub(u64::from(streamed));
            match ending {
                Ending::Complete => stats.complete += 1,
                Ending::Refused => stats.refused += 1,
                Ending::Cut => stats.cut += 1,
                Ending::HungUp => stats.hang_ups += 1,
            }
            if let Some(usage) = usage {
                stats.charged.add(&usage);
            }
            if let Some(call) = call {
                call.ending = Some(ending);
            }
        });
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.end(Ending::HungUp);
    }
}
