//! The tasks: moved by the clock, or by polls where a rule says so.

use super::refusal;
use crate::{
    dialect::Refusal,
    media::{PixAiChange, drawing::Drawing},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Tasks remembered; the oldest are forgotten first, as pictures are there.
const TASKS_KEPT_MAX: usize = 10_000;

/// The fastest that anyone may poll.
const POLL_INTERVAL: Duration = Duration::from_millis(1500);

/// Where the ids begin: they are long numbers there.
const FIRST_ID: u64 = 1_990_000_000_000_000_000;

/// The most pictures of a task, so that a picture's id tells its task.
const MEDIA_PER_TASK: u64 = 1000;

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    tasks: BTreeMap<u64, Task>,
    created: u64,
}

/// A task to be created.
pub(super) struct NewTask {
    pub(super) key: String,
    pub(super) created_s: u64,
    /// How long it takes where the clock moves it.
    pub(super) generation: Duration,
    pub(super) change: PixAiChange,
    pub(super) drawings: Vec<Drawing>,
}

struct Task {
    new: NewTask,
    created: Instant,
    /// Polls answered.
    polls: u64,
    last_poll: Instant,
}

/// How far a task is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum State {
    Waiting,
    Running,
    /// With its last status.
    Over(String),
}

/// A task as one answer tells it.
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) created_s: u64,
    pub(super) state: State,
    pub(super) null_urls: bool,
    pub(super) media: Vec<(u64, Drawing)>,
}

impl State {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Over(status) => status,
        }
    }
}

impl Tasks {
    /// Creates a task, which is waiting.
    pub(super) fn create(&mut self, new: NewTask) -> Seen {
        let now = Instant::now();
        self.created += 1;
        let id = FIRST_ID + self.created;
        if self.tasks.len() >= TASKS_KEPT_MAX {
            self.tasks.pop_first();
        }
        let task = Task { new, created: now, polls: 0, last_poll: now };
        let seen = task.seen(id, State::Waiting);
        self.tasks.insert(id, task);
        seen
    }

    /// Takes a task back.
    pub(super) fn forget(&mut self, id: u64) {
        self.tasks.remove(&id);
    }

    /// How many tasks of a key are waiting or running.
    pub(super) fn active(&self, key: &str) -> usize {
        let is_active = |task: &&Task| task.new.key == key && !matches!(task.state(task.polls), State::Over(_));
        self.tasks.values().filter(is_active).count()
    }

    /// Looks at a task. The tasks of other keys are not found.
    pub(super) fn poll(&mut self, id: u64, key: &str) -> Result<Seen, Refusal> {
        let task = self.tasks.get_mut(&id).filter(|task| task.new.key == key);
        let task = task.ok_or_else(|| refusal(404, "Task not found"))?;
        let now = Instant::now();
        if task.new.change.strict_polls && now.duration_since(task.last_poll) < POLL_INTERVAL {
            return Err(refusal(429, "Too Many Requests"));
        }
        task.last_poll = now;
        let state = task.state(task.polls);
        task.polls += 1;
        Ok(task.seen(id, state))
    }

    /// A picture of a task that is completed.
    pub(super) fn media(&self, id: u64, key: &str) -> Option<Drawing> {
        let (number, at) = (id / MEDIA_PER_TASK, id % MEDIA_PER_TASK);
        let task = self.tasks.get(&(FIRST_ID + number)).filter(|task| task.new.key == key)?;
        let completed = State::Over("completed".to_owned());
        // The answer that told of the completion counts as a poll.
        if task.state(task.polls) != completed {
            return None;
        }
        task.new.drawings.get(usize::try_from(at).ok()?).cloned()
    }
}

impl Task {
    /// The state after so many polls, now.
    fn state(&self, polls: u64) -> State {
        let PixAiChange { waiting_polls, running_polls, outcome, .. } = &self.new.change;
        let over = || State::Over(outcome.clone().unwrap_or_else(|| "completed".to_owned()));
        if waiting_polls + running_polls > 0 {
            return match polls {
                early if early < *waiting_polls => State::Waiting,
                later if later < waiting_polls + running_polls => State::Running,
                _ => over(),
            };
        }
        match self.created.elapsed() {
            early if early < self.new.generation / 2 => State::Waiting,
            later if later < self.new.generation => State::Running,
            _ => over(),
        }
    }

    fn seen(&self, id: u64, state: State) -> Seen {
        let first = (id - FIRST_ID) * MEDIA_PER_TASK;
        Seen {
            id,
            created_s: self.new.created_s,
            state,
            null_urls: self.new.change.null_media_urls,
            media: (first..).zip(self.new.drawings.iter().cloned()).collect(),
        }
    }
}
