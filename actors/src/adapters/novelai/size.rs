//! Which sizes are made, how many at once, and what an `OpenAI` size becomes.

use crate::adapters::fault::BodyError;
use crate::domain::image_tier::ImageTier;
use crate::media::{Canvas, ImageFormat, ImageJob, ImagePlan, ImageRequest, Ladder, Pixels, Size};

/// Sides are multiples of this.
const STEP: u32 = 64;
/// The model draws nothing sensible below this, though it takes 64.
const SIDE_MIN: u32 = 256;
const SIDE_MAX: u32 = 1600;
/// More costs tiers that we do not sell: 1024x1536 is the largest of the site's own sizes that we do.
const AREA_MAX: u64 = 1_572_864;
/// The site's default.
const DEFAULT: Pixels = Pixels { width: 832, height: 1216 };
/// What the site makes of 16:9, and with its sides turned of 9:16: larger ones cost more and look worse.
const WIDE: Pixels = Pixels { width: 1344, height: 768 };
const TALL: Pixels = Pixels { width: 768, height: 1344 };
/// Ratios this near (in logarithm) to those of video are those of video.
const SAME_RATIO: f64 = 0.03;
/// How much worse another ratio is than another area.
const RATIO_WEIGHT: f64 = 4.0;

const LADDER: Ladder = Ladder { below: &[(1_048_576, ImageTier::K1)], top: ImageTier::K1Half };

/// The generations that a request becomes.
///
/// # Errors
/// [`BodyError`] for a format that is not made.
pub fn plan(request: &ImageRequest) -> Result<ImagePlan, BodyError> {
    if !matches!(request.output_format, None | Some(ImageFormat::Png)) {
        return Err(BodyError::unsupported("output_format", "this model makes png"));
    }
    let pixels = match request.size {
        Size::Auto => DEFAULT,
        Size::Pixels(asked) => nearest(asked),
    };
    let job = ImageJob {
        prompt: request.prompt.clone(),
        count: 1,
        canvas: Canvas::Pixels(pixels),
        tier: LADDER.tier(pixels),
        ladder: LADDER,
        output_format: request.output_format,
    };
    Ok(ImagePlan::split(&job, request.count, |_| at_once(pixels)))
}

/// How many images one generation makes at most.
fn at_once(pixels: Pixels) -> u32 {
    match pixels.area() {
        0..=360_000 => 8,
        360_001..=410_000 => 6,
        410_001..=1_310_720 => 4,
        1_310_721..=1_572_864 => 2,
        _ => 1,
    }
}

/// The size itself where it is legal; the site's own for video ratios of at least that size; else the legal size
/// that is nearest in ratio first and in area second.
fn nearest(asked: Pixels) -> Pixels {
    if legal().any(|pixels| pixels == asked) {
        return asked;
    }
    let video = [(Pixels { width: 16, height: 9 }, WIDE), (Pixels { width: 9, height: 16 }, TALL)];
    let is_video =
        |(ratio, own): &&(Pixels, Pixels)| asked.area() >= own.area() && asked.ratio_distance(*ratio) <= SAME_RATIO;
    if let Some((_, own)) = video.iter().find(is_video) {
        return *own;
    }
    let distance = |pixels: Pixels| {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let area_distance = (pixels.area() as f64 / asked.area() as f64).ln().abs();
        RATIO_WEIGHT * pixels.ratio_distance(asked) + area_distance
    };
    legal().min_by(|one, other| distance(*one).total_cmp(&distance(*other))).unwrap_or(DEFAULT)
}

/// Every size that is made: some five hundred.
fn legal() -> impl Iterator<Item = Pixels> {
    let sides = || (SIDE_MIN / STEP..=SIDE_MAX / STEP).map(|steps| steps * STEP);
    let sizes = sides().flat_map(move |width| sides().map(move |height| Pixels { width, height }));
    sizes.filter(|pixels| pixels.area() <= AREA_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ResponseFormat;
    use proptest::prelude::*;

    fn request(size: Size, count: u32) -> ImageRequest {
        ImageRequest {
            model: "novelai-v4".to_owned(),
            prompt: "a cat".into(),
            size,
            count,
            response_format: ResponseFormat::Url,
            output_format: None,
            end_user: None,
        }
    }

    #[test]
    fn every_class_of_size_has_its_place() {
        let mut lines = Vec::new();
        for (width, height) in [
            (64, 64),
            (256, 256),
            (512, 512),
            (832, 1216),
            (1000, 1000),
            (1024, 1024),
            (1344, 768),
            (1536, 1024),
            (1024, 1536),
            (1472, 1472),
            (1792, 1024),
            (1920, 1080),
            (1080, 1920),
            (640, 360),
            (4096, 4096),
            (1000, 10),
        ] {
            let plan = plan(&request(Size::Pixels(Pixels { width, height }), 5)).unwrap();
            let Canvas::Pixels(pixels) = plan.jobs[0].canvas else { panic!() };
            let counts: Vec<_> = plan.jobs.iter().map(|job| job.count).collect();
            lines.push(format!("{width}x{height}: {pixels} ({}), five as {counts:?}", plan.tier));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn without_a_size_it_is_the_sites_default() {
        let plan = plan(&request(Size::Auto, 10)).unwrap();
        assert_eq!(plan.jobs[0].canvas, Canvas::Pixels(DEFAULT));
        assert_eq!(plan.worst_case(), (ImageTier::K1, 10));
        assert_eq!(plan.jobs.iter().map(|job| job.count).collect::<Vec<_>>(), [4, 4, 2]);
    }

    #[test]
    fn another_format_than_png_is_refused_by_name() {
        for (format, is_made) in [(ImageFormat::Png, true), (ImageFormat::Webp, false), (ImageFormat::Jpeg, false)] {
            let request = ImageRequest { output_format: Some(format), ..request(Size::Auto, 1) };
            let param = plan(&request).err().and_then(|error| error.param);
            assert_eq!(param.as_deref(), (!is_made).then_some("output_format"));
        }
    }

    proptest! {
        #[test]
        fn the_mapped_size_is_always_legal(width in 1..=Pixels::SIDE_MAX, height in 1..=Pixels::SIDE_MAX) {
            let pixels = nearest(Pixels { width, height });
            for side in [pixels.width, pixels.height] {
                prop_assert!(side.is_multiple_of(64) && (64..=1600).contains(&side), "{pixels}");
            }
            prop_assert!(pixels.area() <= 1_572_864, "{pixels}");
            prop_assert_eq!(nearest(pixels), pixels, "a legal size stays what it is");
        }
    }
}
