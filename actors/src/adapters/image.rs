//! Which adapter makes a model's images: the one place where a new one is named.
//!
//! The relay plans a request before it is admitted ([`ImageAdapter::plan`]), holds the plan's worst case, begins a
//! generation per job ([`ImageAdapter::begin`]) and feeds each with what came of its steps until it ends.

use super::fault::BodyError;
use super::{ark, gemini, novelai, pixai};
use crate::media::{Delivery, ImageJob, ImagePlan, ImageRequest, News, Setting, Step};

/// A provider's protocol for images, by the kind of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageAdapter {
    /// Seedream.
    Ark,
    /// Nano Banana Pro.
    Gemini,
    /// `NovelAI` Diffusion.
    NovelAi,
    /// `PixAI`.
    PixAi,
}

impl ImageAdapter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ark, Self::Gemini, Self::NovelAi, Self::PixAi];

    /// The `kind` of its providers in the configuration.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Ark => "ark",
            Self::Gemini => "gemini",
            Self::NovelAi => "novelai",
            Self::PixAi => "pixai",
        }
    }

    /// The adapter of a provider of this kind.
    pub fn by_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|adapter| adapter.kind() == kind)
    }

    /// The generations that a request becomes, and the worst case of what they cost.
    ///
    /// # Errors
    /// [`BodyError`] for a parameter that this model does not take.
    pub fn plan(self, request: &ImageRequest, upstream_model: &str) -> Result<ImagePlan, BodyError> {
        match self {
            Self::Ark => ark::plan(request, upstream_model),
            Self::Gemini => gemini::image::plan(request),
            Self::NovelAi => novelai::plan(request),
            Self::PixAi => pixai::plan(request),
        }
    }

    /// A generation and its first step, always a call.
    pub fn begin(self, job: &ImageJob, setting: &Setting<'_>) -> (ImageMachine, Step<Delivery>) {
        fn wrap<M>(begun: (M, Step<Delivery>), wrap: fn(M) -> ImageMachine) -> (ImageMachine, Step<Delivery>) {
            (wrap(begun.0), begun.1)
        }
        match self {
            Self::Ark => wrap(ark::Machine::begin(job, setting), ImageMachine::Ark),
            Self::Gemini => wrap(gemini::image::Machine::begin(job, setting), ImageMachine::Gemini),
            Self::NovelAi => wrap(novelai::Machine::begin(job, setting), ImageMachine::NovelAi),
            Self::PixAi => wrap(pixai::Machine::begin(job, setting), ImageMachine::PixAi),
        }
    }
}

/// A generation that runs.
#[derive(Clone, Debug)]
pub enum ImageMachine {
    /// Seedream.
    Ark(ark::Machine),
    /// Nano Banana Pro.
    Gemini(gemini::image::Machine),
    /// `NovelAI` Diffusion.
    NovelAi(novelai::Machine),
    /// `PixAI`.
    PixAi(pixai::Machine),
}

impl ImageMachine {
    /// What follows from what came of the last step, `spent_millis` after the beginning. Once it answered
    /// [`Step::Done`] or [`Step::Failed`] it is not asked again.
    ///
    /// Reading an answer that holds images takes some tens of milliseconds of processor time per image: see
    /// [`ImageMachine::is_heavy`].
    pub fn next(&mut self, news: News, spent_millis: u64) -> Step<Delivery> {
        match self {
            Self::Ark(machine) => machine.next(news),
            Self::Gemini(machine) => machine.next(news),
            Self::NovelAi(machine) => machine.next(news),
            Self::PixAi(machine) => machine.next(news, spent_millis),
        }
    }

    /// The next answer is decoded, not only looked at: not on a thread that serves others.
    pub const fn is_heavy(&self) -> bool {
        matches!(self, Self::NovelAi(_) | Self::Gemini(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Charge, Image, ImageFormat, Lost, MediaFault, Pixels, ResponseFormat, Size};
    use proptest::prelude::*;

    const MODELS: [(ImageAdapter, &str); 5] = [
        (ImageAdapter::Ark, "seedream-5-0-260128"),
        (ImageAdapter::Ark, "dola-seedream-5-0-pro-260628"),
        (ImageAdapter::Gemini, "gemini-3-pro-image"),
        (ImageAdapter::NovelAi, "nai-diffusion-4-full"),
        (ImageAdapter::PixAi, "1983308862240288769"),
    ];

    fn request(size: Size, count: u32) -> ImageRequest {
        ImageRequest {
            model: "m".to_owned(),
            prompt: "a cat".into(),
            size,
            count,
            response_format: ResponseFormat::Url,
            output_format: None,
            end_user: None,
        }
    }

    #[test]
    fn an_adapter_is_found_by_the_kind_of_its_provider() {
        for adapter in ImageAdapter::ALL {
            assert_eq!(ImageAdapter::by_kind(adapter.kind()), Some(adapter));
        }
        assert_eq!(ImageAdapter::by_kind("anthropic"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_every_job_begins_with_the_one_call_that_may_cost(
            width in 1..=Pixels::SIDE_MAX, height in 1..=Pixels::SIDE_MAX, auto: bool, count in 1..=ImageRequest::COUNT_MAX,
            came in (1..=Pixels::SIDE_MAX, 1..=Pixels::SIDE_MAX).prop_map(|(width, height)| Pixels { width, height }),
        ) {
            let size = if auto { Size::Auto } else { Size::Pixels(Pixels { width, height }) };
            for (adapter, upstream_model) in MODELS {
                let plan = adapter.plan(&request(size, count), upstream_model).unwrap();
                prop_assert_eq!(plan.worst_case(), (plan.tier, count), "the hold covers every image");
                let setting = Setting { upstream_model, base_url: "http://127.0.0.1:1", seed: 0, budget_millis: 1_000 };
                let (priced, _) = plan.chargeable();
                for job in &plan.jobs {
                    prop_assert!(job.tier <= plan.tier);
                    for size in [Pixels { width, height }, came] {
                        let image = Image { bytes: bytes::Bytes::new(), format: ImageFormat::Png, size };
                        prop_assert!(priced.contains(&job.charged_tier(&image)), "{size} is of a tier without a price");
                    }
                    let (mut machine, step) = adapter.begin(job, &setting);
                    let Step::Call(call) = step else { panic!("{step:?}") };
                    prop_assert_eq!(call.charge, Charge::Starts);
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&call.body).is_ok());
                    let lost = machine.next(News::Lost(Lost::TimedOut), 500);
                    prop_assert_eq!(lost, Step::Failed(MediaFault::UnknownOutcome { status: 504 }), "never sent again");
                }
            }
        }
    }
}
