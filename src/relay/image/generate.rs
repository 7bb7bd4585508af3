//! One generation, step by step: the adapter decides, this sends, waits and keeps the time.
//!
//! A request makes at most one second attempt, whichever of its generations needs it, and never where the first
//! may have been charged for (INTERFACE §3, promise 6). All calls of a generation go through one seat.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use lmhaven_actors::adapters::image::ImageAdapter;
use lmhaven_actors::media::{
    Answer, Auth, Call, Charge, Delivery, ImageJob, Lost, MediaFault, Method, News, Place, Retry, Setting, Step,
};
use lmhaven_actors::provider::{Fetch, FetchError, Fetched, KeyHeader, NoAccount, Outcome, Seat, Target};
use lmhaven_actors::system::fresh;
use tokio::time::timeout;

use super::{Admitted, Caller, hung_up};
use crate::config::Model;
use crate::edge::BodyBudget;
use crate::error::ApiError;
use crate::relay::dispatch::count;
use crate::relay::makers::{Makers, Turn};
use crate::telemetry::Timing;

/// What one image counts in the budget of bodies from the beginning: an answer of the usual kind, in base 64. What
/// comes beyond it is taken as it comes.
pub(super) const BYTES_PER_IMAGE: u64 = 16 * 1024 * 1024;
/// What is taken at a time beyond that.
const STEP_BYTES: u64 = 1024 * 1024;

/// The generations of one request, and the second attempt that they share.
pub(super) struct Attempts<'a> {
    makers: &'a Makers<ImageAdapter>,
    model: &'a Model,
    timing: &'a Timing,
    sent: &'a Cell<bool>,
    caller: &'a Cell<Caller>,
    budget: &'a RefCell<BodyBudget>,
    retry_left: Cell<bool>,
}

/// The memory of one generation, which the budget of bodies lends.
struct Room<'a> {
    budget: &'a RefCell<BodyBudget>,
    /// Lent so far.
    lent: Cell<u64>,
    /// In answers that were read before the one that is being read.
    read: Cell<u64>,
}

impl Room<'_> {
    /// Whether there is room for an answer of so many bytes beside those before it.
    fn holds(&self, answer_bytes: usize) -> bool {
        let needed = self.read.get().saturating_add(u64::try_from(answer_bytes).unwrap_or(u64::MAX));
        let missing = needed.saturating_sub(self.lent.get());
        if missing == 0 {
            return true;
        }
        let step = missing.next_multiple_of(STEP_BYTES);
        let is_lent = self.budget.borrow_mut().take(step).is_ok();
        if is_lent {
            self.lent.set(self.lent.get().saturating_add(step));
        }
        is_lent
    }

    /// What was read stays until the generation ends.
    fn keep(&self, answer_bytes: usize) {
        self.read.set(self.read.get().saturating_add(u64::try_from(answer_bytes).unwrap_or(u64::MAX)));
    }
}

impl<'a> Attempts<'a> {
    pub(super) fn new(admitted: &'a Admitted) -> Self {
        let Admitted { makers, model, timing, sent, caller, budget, .. } = admitted;
        Self { makers, model, timing, sent, caller, budget, retry_left: Cell::new(true) }
    }

    /// Runs a generation, and once more where that is safe.
    pub(super) async fn generate(&self, job: &ImageJob) -> Result<Delivery, ApiError> {
        let mut turn = Turn::default();
        let mut failed = None;
        let lent = BYTES_PER_IMAGE.saturating_mul(u64::from(job.count));
        let room = Room { budget: self.budget, lent: Cell::new(lent), read: Cell::new(0) };
        loop {
            // What the first attempt read is gone.
            room.read.set(0);
            self.timing.waits();
            let taken = self.makers.seat(&mut turn, async |provider, attempt| {
                let seated = timeout(provider.pool().spec().answer_timeout, provider.seat_in_turn(attempt)).await;
                seated.unwrap_or(Err(NoAccount::Busy { retry_after_millis: 1_000 }))
            });
            let (maker, seat) = match taken.await {
                Ok(taken) => taken,
                // Whoever was free a moment ago is not any more: what the first attempt came to is what there is.
                Err(none) => return Err(failed.unwrap_or_else(|| ApiError::no_account(none))),
            };
            // What was not begun is not begun for nobody.
            if self.caller.get() == Caller::LeftAtOnce {
                return Err(hung_up());
            }
            let account = seat.guard().account();
            let provider = &maker.provider.pool().spec().id;
            self.timing.asked(provider);
            let fault = match self.attempt(maker.how, &seat, job, &room).await {
                Ok(delivery) => {
                    seat.guard().report(Outcome::Answered);
                    count(provider, "ok");
                    return Ok(delivery);
                }
                Err(fault) => fault,
            };
            let other = self.makers.other(turn, account);
            report(&fault, &seat, other.is_some());
            drop(seat);
            let next = match fault.retry() {
                Retry::No => None,
                Retry::OtherAccount => other,
                Retry::AnyAccount => other.or(Some(turn.again())),
            };
            let error = ApiError::media(&fault);
            match next {
                Some(next) if self.retry_left.replace(false) => turn = next,
                _ => return Err(if failed.is_some() { error.no_retry_unless_told() } else { error }),
            }
            failed = Some(error);
        }
    }

    async fn attempt(
        &self,
        adapter: ImageAdapter,
        seat: &Seat,
        job: &ImageJob,
        room: &Room<'_>,
    ) -> Result<Delivery, MediaFault> {
        let spec = seat.guard().pool().spec();
        let began = Instant::now();
        let deadline = began + spec.answer_timeout;
        let setting = Setting {
            upstream_model: &self.model.upstream_model,
            base_url: &spec.base_url,
            seed: fresh::seed(),
            budget_millis: u64::try_from(spec.answer_timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let (mut machine, mut step) = adapter.begin(job, &setting);
        loop {
            let news = match step {
                Step::Done(delivery) => return Ok(delivery),
                Step::Failed(fault) => return Err(fault),
                Step::Wait { millis } => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    News::Waited
                }
                Step::Call(call) => {
                    if call.charge == Charge::Starts {
                        self.sent.set(true);
                    }
                    let left = deadline.saturating_duration_since(Instant::now());
                    match seat.fetch(fetch(call, left), |bytes| room.holds(bytes)).await {
                        Ok(fetched) => {
                            room.keep(fetched.body.len());
                            News::Answer(answer(fetched))
                        }
                        Err(error) => News::Lost(lost(error)),
                    }
                }
            };
            let spent_millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            if machine.is_heavy() {
                let next = move || {
                    let step = machine.next(news, spent_millis);
                    (machine, step)
                };
                // Only a panic over what came gets no answer.
                let unread = |_| MediaFault::Malformed { what: "an image that can be read" };
                (machine, step) = actix_web::web::block(next).await.map_err(unread)?;
            } else {
                step = machine.next(news, spent_millis);
            }
        }
    }
}

fn fetch(call: Call, within: Duration) -> Fetch {
    let target = match call.place {
        Place::Provider { path, auth } => Target::Provider { path, key: key_header(auth) },
        Place::Host { url } => Target::Url(url),
    };
    Fetch {
        method: match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        },
        target,
        accept: call.accept,
        content_type: call.content_type,
        body: call.body,
        bytes_max: call.answer_bytes_max,
        within,
    }
}

const fn key_header(auth: Auth) -> KeyHeader {
    match auth {
        Auth::Bearer => KeyHeader::Bearer,
        Auth::XGoogApiKey => KeyHeader::XGoogApiKey,
        Auth::XiApiKey => KeyHeader::XiApiKey,
    }
}

fn answer(fetched: Fetched) -> Answer {
    let header = |name: &str| fetched.headers.get(name).and_then(|value| value.to_str().ok());
    let seconds = header("retry-after").and_then(|seconds| seconds.trim().parse::<u64>().ok());
    Answer {
        status: fetched.status,
        content_type: header("content-type").map(str::to_owned),
        location: header("location").map(str::to_owned),
        retry_after_millis: seconds.map(|seconds| seconds.saturating_mul(1_000)),
        body: fetched.body,
    }
}

const fn lost(error: FetchError) -> Lost {
    match error {
        FetchError::NotSent => Lost::NotSent,
        FetchError::BrokeOff => Lost::BrokeOff,
        FetchError::TimedOut => Lost::TimedOut,
        FetchError::TooLarge => Lost::TooLarge,
        FetchError::NoRoom => Lost::NoRoom,
    }
}

/// Tells the account's health how the attempt went. `others` may take what this one cannot.
pub(in crate::relay) fn report(fault: &MediaFault, seat: &Seat, others: bool) {
    let guard = seat.guard();
    let provider = &guard.pool().spec().id;
    let (outcome, label) = match fault {
        // Our memory says nothing about the account.
        MediaFault::Policy | MediaFault::NothingMade | MediaFault::NoRoom => (Outcome::Answered, "ok"),
        MediaFault::BadInput { .. } => (Outcome::Answered, "4xx"),
        MediaFault::OurMoney | MediaFault::OurQuota | MediaFault::OurKey | MediaFault::OurModel => {
            tracing::error!(%provider, account = guard.account(), what = %fault, "a provider account needs an operator");
            let what = "the account needs an operator";
            let outcome = if others { Outcome::Unusable(what) } else { Outcome::Failed(what) };
            (outcome, if *fault == MediaFault::OurQuota { "429" } else { "4xx" })
        }
        MediaFault::Busy { retry_after_millis } => {
            // Without a word of how long, only a pool with another account can afford to wait.
            let default = if others { 1_000 } else { 0 };
            let cool_down = Duration::from_millis(retry_after_millis.unwrap_or(default));
            (Outcome::RateLimited { cool_down }, "429")
        }
        MediaFault::NotSent => (Outcome::Failed("no connection"), "connect"),
        MediaFault::Failed { .. } => (Outcome::Failed("a 5xx status"), "5xx"),
        MediaFault::UnknownOutcome { status: 504 } => (Outcome::Failed("no answer in time"), "timeout"),
        MediaFault::UnknownOutcome { .. } => (Outcome::Failed("the answer broke off"), "cut"),
        MediaFault::Malformed { .. } => (Outcome::Failed("a malformed answer"), "cut"),
    };
    guard.report(outcome);
    count(provider, label);
    tracing::warn!(%provider, %fault, "a generation failed");
}
