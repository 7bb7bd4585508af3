//! What is asked for: a request, and the generations it is split into.
//!
//! An adapter maps a request to its provider's sizes and batches; from then on the tier that decides the
//! price is known: the worst case before the call, the tier that was delivered after it.

use std::fmt;
use std::sync::Arc;

use super::picture::{Image, ImageFormat};
use crate::domain::image_tier::ImageTier as Tier;

/// Width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// From 1 to [`Pixels::SIDE_MAX`].
    pub width: u32,
    /// From 1 to [`Pixels::SIDE_MAX`].
    pub height: u32,
}

impl Pixels {
    /// The longest side that is asked for or served.
    pub const SIDE_MAX: u32 = 16_384;

    /// How many there are.
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Width by height.
    pub fn ratio(self) -> f64 {
        f64::from(self.width) / f64::from(self.height)
    }

    /// How far two ratios are apart, the same for both ways of turning the image: 0 is equal.
    pub fn ratio_distance(self, other: Self) -> f64 {
        (self.ratio().ln() - other.ratio().ln()).abs()
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// The size that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// `auto`, or nothing.
    Auto,
    /// `WxH`.
    Pixels(Pixels),
}

/// How images reach the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    /// A link of ours.
    Url,
    /// In the answer.
    Base64,
}

/// What a caller of `/v1/images/generations` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    /// The model as the caller wrote it.
    pub model: String,
    /// What is to be seen; not empty.
    pub prompt: Arc<str>,
    /// How large.
    pub size: Size,
    /// How many, 1 to [`ImageRequest::COUNT_MAX`].
    pub count: u32,
    /// How they are handed over.
    pub response_format: ResponseFormat,
    /// The format of the files, where the caller asks for one.
    pub output_format: Option<ImageFormat>,
    /// The caller's own name for its user, to be hashed before anybody else sees it.
    pub end_user: Option<String>,
}

impl ImageRequest {
    /// The most images of one request.
    pub const COUNT_MAX: u32 = 10;
    /// The longest prompt, as of `OpenAI`'s own image models.
    pub const PROMPT_CHARS_MAX: usize = 32_000;
}

/// The tiers of a model: each with the largest area that belongs to it, rising. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// The tiers below the top.
    pub below: &'static [(u64, Tier)],
    /// Whatever is larger.
    pub top: Tier,
}

impl Ladder {
    /// The tier of an image of this size.
    pub fn tier(self, pixels: Pixels) -> Tier {
        let fits = |(area_max, _): &&(u64, Tier)| pixels.area() <= *area_max;
        self.below.iter().find(fits).map_or(self.top, |(_, tier)| *tier)
    }

    /// Its tiers up to this one, the smallest first: what may come back where this one was asked for.
    pub fn up_to(self, tier: Tier) -> impl Iterator<Item = Tier> {
        let all = self.below.iter().map(|(_, tier)| *tier).chain([self.top]);
        all.filter(move |below| *below <= tier)
    }
}

/// The size in the terms that a provider takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Canvas {
    /// Left to the provider's default.
    Default,
    /// Exactly so many pixels.
    Pixels(Pixels),
    /// A ratio by its name such as `16:9`; how large is the tier of the job.
    Ratio(&'static str),
}

/// One generation at a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageJob {
    /// What is to be seen.
    pub prompt: Arc<str>,
    /// How many images this one generation makes.
    pub count: u32,
    /// How large, in the provider's terms.
    pub canvas: Canvas,
    /// The dearest tier that may be charged.
    pub tier: Tier,
    /// The tiers of the model.
    pub ladder: Ladder,
    /// The format, where the caller asked for one that the provider can make.
    pub output_format: Option<ImageFormat>,
}

impl ImageJob {
    /// The tier to charge for an image that came back: by its real size, and never above the tier that was
    /// asked for and held.
    pub fn charged_tier(&self, image: &Image) -> Tier {
        self.ladder.tier(image.size).min(self.tier)
    }
}

/// A request split into generations of one tier.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePlan {
    /// At least one. They may run at the same time and on different accounts.
    pub jobs: Vec<ImageJob>,
    /// The dearest tier that may be charged for any of the images.
    pub tier: Tier,
}

impl ImagePlan {
    /// The jobs for `total` images where one generation makes `batch(remaining)` of them, at least one.
    pub fn split(job: &ImageJob, total: u32, batch: impl Fn(u32) -> u32) -> Self {
        let mut jobs = Vec::new();
        let mut remaining = total;
        while remaining > 0 {
            let count = batch(remaining).clamp(1, remaining);
            jobs.push(ImageJob { count, ..job.clone() });
            remaining -= count;
        }
        Self { jobs, tier: job.tier }
    }

    /// Every tier that may be charged, and for how many images at most. All of them have to be sold.
    pub fn chargeable(&self) -> (Vec<Tier>, u32) {
        let tiers = self.jobs.first().map_or_else(Vec::new, |job| job.ladder.up_to(self.tier).collect());
        (tiers, self.worst_case().1)
    }

    /// What the hold covers: so many images of this tier.
    pub fn worst_case(&self) -> (Tier, u32) {
        (self.tier, self.jobs.iter().map(|job| job.count).sum())
    }
}

/// What a generation made: at least one image, at most as many as its job asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The images.
    pub images: Vec<Image>,
    /// Why there are fewer than were asked for.
    pub missing: Option<super::MediaFault>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn a_job() -> ImageJob {
        ImageJob {
            prompt: "a cat".into(),
            count: 1,
            canvas: Canvas::Default,
            tier: Tier::K1Half,
            ladder: Ladder { below: &[(1_048_576, Tier::K1), (2_359_296, Tier::K1Half)], top: Tier::K2 },
            output_format: None,
        }
    }

    fn image(width: u32, height: u32) -> Image {
        Image { bytes: Bytes::new(), format: ImageFormat::Png, size: Pixels { width, height } }
    }

    #[test]
    fn an_image_is_charged_by_what_came_back_but_never_above_what_was_held() {
        let job = a_job();
        assert_eq!(job.charged_tier(&image(1024, 1024)), Tier::K1);
        assert_eq!(job.charged_tier(&image(1024, 1025)), Tier::K1Half);
        assert_eq!(job.charged_tier(&image(4096, 4096)), Tier::K1Half, "more than was asked for is not charged");
    }

    #[test]
    fn a_plan_holds_for_every_image_of_every_job() {
        let plan = ImagePlan::split(&a_job(), 10, |remaining| if remaining >= 4 { 4 } else { 1 });
        assert_eq!(plan.jobs.iter().map(|job| job.count).collect::<Vec<_>>(), [4, 4, 1, 1]);
        assert_eq!(plan.worst_case(), (Tier::K1Half, 10));
        let plan = ImagePlan::split(&a_job(), 3, |_| 0);
        assert_eq!(plan.jobs.len(), 3, "a batch of none is a batch of one");
    }
}
