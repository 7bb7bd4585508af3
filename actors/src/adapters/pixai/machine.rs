//! One task: create, ask, fetch.
//!
//! Asking is free, so trouble with it is waited out as long as the budget lasts. A task whose end is not seen
//! by then may still be paid for: its outcome is unknown, which is not a failure to be tried again.

use super::wire::{File, Id, Task};
use super::{HOSTS, errors, request};
use crate::adapters::download::{Download, Fetch, Hosts};
use crate::media::{Answer, Auth, Delivery, Image, ImageJob, Lost, MediaFault, News, Setting, Step};

/// Between two questions; asked faster, the provider turns them away.
const POLL_MILLIS: u64 = 1_500;
/// After a question that went wrong.
const PAUSE_MILLIS: u64 = 3_000;
/// The longest wait that a provider is granted between two questions.
const PAUSE_MILLIS_MAX: u64 = 15_000;

/// A generation that runs.
#[derive(Clone, Debug)]
pub struct Machine {
    hosts: Hosts,
    count: usize,
    budget_millis: u64,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Creating,
    Running { task: Id },
    Fetching { current: Download, rest: Vec<File>, images: Vec<Image>, missing: Option<MediaFault> },
    Over,
}

impl Machine {
    /// A generation and its first step.
    pub fn begin(job: &ImageJob, setting: &Setting<'_>) -> (Self, Step<Delivery>) {
        let machine = Self {
            hosts: Hosts::new(HOSTS, setting),
            count: usize::try_from(job.count).unwrap_or(usize::MAX),
            budget_millis: setting.budget_millis,
            state: State::Creating,
        };
        (machine, Step::Call(request::create(job, setting)))
    }

    /// What follows from what came of the last step, `spent_millis` after the beginning.
    pub fn next(&mut self, news: News, spent_millis: u64) -> Step<Delivery> {
        match (std::mem::replace(&mut self.state, State::Over), news) {
            (State::Creating, News::Answer(answer)) => self.created(&answer, spent_millis),
            (State::Creating, News::Lost(lost)) => Step::Failed(MediaFault::lost(lost)),
            (State::Running { task }, News::Waited) => {
                let call = request::poll(task.as_str());
                self.state = State::Running { task };
                Step::Call(call)
            }
            (State::Running { task }, News::Lost(_)) => self.wait(task, PAUSE_MILLIS, spent_millis),
            (State::Running { task }, News::Answer(answer)) => self.told(task, &answer, spent_millis),
            (State::Fetching { current, rest, images, missing }, news) => {
                self.fetched(current, rest, images, missing, news)
            }
            (State::Creating | State::Over, _) => Step::Failed(MediaFault::Malformed { what: "an answer" }),
        }
    }

    fn created(&mut self, answer: &Answer, spent_millis: u64) -> Step<Delivery> {
        if !answer.is_success() {
            return Step::Failed(errors::of_create(answer));
        }
        match serde_json::from_slice::<Task>(&answer.body) {
            Ok(task) => self.looked_at(task, spent_millis),
            Err(_) => Step::Failed(MediaFault::Malformed { what: "a task with an id" }),
        }
    }

    /// The answer to a question after the task.
    fn told(&mut self, task: Id, answer: &Answer, spent_millis: u64) -> Step<Delivery> {
        if !answer.is_success() {
            // Refused now is not refused for ever: a task may not be seen everywhere at once.
            let asked = answer.retry_after_millis.unwrap_or(PAUSE_MILLIS);
            return self.wait(task, asked.clamp(PAUSE_MILLIS, PAUSE_MILLIS_MAX), spent_millis);
        }
        match serde_json::from_slice::<Task>(&answer.body) {
            // Another task than ours: somebody else's picture.
            Ok(told) if told.id != task => Step::Failed(MediaFault::Malformed { what: "the task that was asked for" }),
            Ok(told) => self.looked_at(told, spent_millis),
            Err(_) => self.wait(task, PAUSE_MILLIS, spent_millis),
        }
    }

    fn looked_at(&mut self, task: Task, spent_millis: u64) -> Step<Delivery> {
        match task.status.as_str() {
            "completed" => {
                let mut files = task.outputs.unwrap_or_default().files(self.count);
                files.reverse();
                let missing = (files.len() < self.count)
                    .then_some(MediaFault::Malformed { what: "a file for every image of a completed task" });
                self.fetch_next(files, Vec::new(), missing)
            }
            // No reason is ever given; a refusal of what was drawn is the one that is known.
            "failed" => Step::Failed(MediaFault::Policy),
            "cancelled" => Step::Failed(MediaFault::UnknownOutcome { status: 502 }),
            // Waiting, running, or a state that we do not know, which is never taken for success.
            _ => self.wait(task.id, POLL_MILLIS, spent_millis),
        }
    }

    /// Waits before the next question, unless the budget would end first.
    fn wait(&mut self, task: Id, millis: u64, spent_millis: u64) -> Step<Delivery> {
        if spent_millis.saturating_add(millis) > self.budget_millis {
            return Step::Failed(MediaFault::lost(Lost::TimedOut));
        }
        self.state = State::Running { task };
        Step::Wait { millis }
    }

    /// Takes what came of a file; one that cannot be had does not take the others with it.
    fn fetched(
        &mut self,
        mut current: Download,
        rest: Vec<File>,
        mut images: Vec<Image>,
        mut missing: Option<MediaFault>,
        news: News,
    ) -> Step<Delivery> {
        let step = match current.next(&self.hosts, news) {
            Fetch::Call(call) => Step::Call(call),
            Fetch::Wait(millis) => Step::Wait { millis },
            Fetch::Done(image) => {
                images.push(image);
                return self.fetch_next(rest, images, missing);
            }
            Fetch::Failed(fault) => {
                missing = Some(fault);
                return self.fetch_next(rest, images, missing);
            }
        };
        self.state = State::Fetching { current, rest, images, missing };
        step
    }

    /// Begins with the next file, the last of `rest`, or ends.
    fn fetch_next(
        &mut self,
        mut rest: Vec<File>,
        images: Vec<Image>,
        mut missing: Option<MediaFault>,
    ) -> Step<Delivery> {
        while let Some(file) = rest.pop() {
            let download = match file {
                File::Link(url) => self.hosts.place(&url).map(Download::new),
                File::Id(id) => Some(Download::below(request::media_path(id.as_str()), Auth::Bearer)),
            };
            let Some(current) = download else {
                missing = Some(MediaFault::Malformed { what: "a file on a host that is allowed" });
                continue;
            };
            let call = current.call();
            self.state = State::Fetching { current, rest, images, missing };
            return Step::Call(call);
        }
        match missing {
            Some(fault) if images.is_empty() => Step::Failed(fault),
            missing => Step::Done(Delivery { images, missing }),
        }
    }
}

#[cfg(test)]
mod tests;
