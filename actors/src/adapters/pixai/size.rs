//! Ratios and the two sizes, and what an `OpenAI` size becomes.

use crate::adapters::fault::BodyError;
use crate::domain::image_tier::ImageTier;
use crate::media::{Canvas, ImageJob, ImagePlan, ImageRequest, Ladder, Pixels, Size};

/// Every ratio that is taken, by its name.
const RATIOS: [(&str, Pixels); 11] = [
    ("1:1", Pixels { width: 1, height: 1 }),
    ("2:3", Pixels { width: 2, height: 3 }),
    ("3:2", Pixels { width: 3, height: 2 }),
    ("3:4", Pixels { width: 3, height: 4 }),
    ("4:3", Pixels { width: 4, height: 3 }),
    ("3:5", Pixels { width: 3, height: 5 }),
    ("5:3", Pixels { width: 5, height: 3 }),
    ("9:16", Pixels { width: 9, height: 16 }),
    ("16:9", Pixels { width: 16, height: 9 }),
    ("1:3", Pixels { width: 1, height: 3 }),
    ("3:1", Pixels { width: 3, height: 1 }),
];
/// From an edge this long on, the larger size is asked for.
const LARGE_EDGE: u32 = 1400;
/// Between the areas of 1024² and 1536².
const LADDER: Ladder = Ladder { below: &[(1_638_400, ImageTier::K1)], top: ImageTier::K1Half };
/// A task makes one image or four.
const BATCH: u32 = 4;

/// The generations that a request becomes: fours as far as they go, then single ones.
///
/// # Errors
/// [`BodyError`] for any format: which one comes cannot be chosen.
pub fn plan(request: &ImageRequest) -> Result<ImagePlan, BodyError> {
    if request.output_format.is_some() {
        return Err(BodyError::unsupported("output_format", "the format cannot be chosen for this model"));
    }
    let (ratio, tier) = match request.size {
        Size::Auto => ("1:1", ImageTier::K1),
        Size::Pixels(asked) => (nearest(asked), tier(asked)),
    };
    let job = ImageJob {
        prompt: request.prompt.clone(),
        count: 1,
        canvas: Canvas::Ratio(ratio),
        tier,
        ladder: LADDER,
        output_format: None,
    };
    Ok(ImagePlan::split(&job, request.count, |remaining| if remaining >= BATCH { BATCH } else { 1 }))
}

fn nearest(asked: Pixels) -> &'static str {
    let distance = |(_, ratio): &&(_, Pixels)| ratio.ratio_distance(asked);
    RATIOS.iter().min_by(|one, other| distance(one).total_cmp(&distance(other))).map_or("1:1", |(name, _)| name)
}

const fn tier(asked: Pixels) -> ImageTier {
    if asked.width >= LARGE_EDGE || asked.height >= LARGE_EDGE { ImageTier::K1Half } else { ImageTier::K1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{ImageFormat, ResponseFormat};

    fn request(size: Size, count: u32) -> ImageRequest {
        ImageRequest {
            model: "pixai-v4".to_owned(),
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
        for (width, height, ratio, tier) in [
            (256, 256, "1:1", ImageTier::K1),
            (1024, 1024, "1:1", ImageTier::K1),
            (1399, 1399, "1:1", ImageTier::K1),
            (1400, 1400, "1:1", ImageTier::K1Half),
            (1536, 1024, "3:2", ImageTier::K1Half),
            (1024, 1536, "2:3", ImageTier::K1Half),
            (832, 1216, "2:3", ImageTier::K1),
            (1792, 1024, "16:9", ImageTier::K1Half),
            (1024, 1792, "9:16", ImageTier::K1Half),
            (1280, 960, "4:3", ImageTier::K1),
            (1000, 10, "3:1", ImageTier::K1),
            (10, 4000, "1:3", ImageTier::K1Half),
        ] {
            let plan = plan(&request(Size::Pixels(Pixels { width, height }), 1)).unwrap();
            assert_eq!((plan.jobs[0].canvas, plan.tier), (Canvas::Ratio(ratio), tier), "{width}x{height}");
        }
    }

    #[test]
    fn images_come_in_fours_and_singly() {
        for (count, counts) in [(1, vec![1]), (3, vec![1, 1, 1]), (4, vec![4]), (10, vec![4, 4, 1, 1])] {
            let plan = plan(&request(Size::Auto, count)).unwrap();
            assert_eq!(plan.jobs.iter().map(|job| job.count).collect::<Vec<_>>(), counts);
            assert_eq!(plan.worst_case(), (ImageTier::K1, count));
        }
    }

    #[test]
    fn the_real_size_tells_the_two_tiers_apart() {
        for (width, height, tier) in [(1024, 1024, ImageTier::K1), (1536, 1536, ImageTier::K1Half)] {
            assert_eq!(LADDER.tier(Pixels { width, height }), tier);
        }
    }

    #[test]
    fn a_format_is_refused_by_name() {
        let request = ImageRequest { output_format: Some(ImageFormat::Png), ..request(Size::Auto, 1) };
        assert_eq!(plan(&request).unwrap_err().param.as_deref(), Some("output_format"));
    }
}
