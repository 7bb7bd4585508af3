//! Ratios and tiers, and what an `OpenAI` size becomes.

use crate::adapters::fault::BodyError;
use crate::domain::image_tier::ImageTier;
use crate::media::{Canvas, ImageFormat, ImageJob, ImagePlan, ImageRequest, Ladder, Pixels, Size};

/// Every ratio that is taken, by its name.
const RATIOS: [(&str, Pixels); 10] = [
    ("1:1", Pixels { width: 1, height: 1 }),
    ("2:3", Pixels { width: 2, height: 3 }),
    ("3:2", Pixels { width: 3, height: 2 }),
    ("3:4", Pixels { width: 3, height: 4 }),
    ("4:3", Pixels { width: 4, height: 3 }),
    ("4:5", Pixels { width: 4, height: 5 }),
    ("5:4", Pixels { width: 5, height: 4 }),
    ("9:16", Pixels { width: 9, height: 16 }),
    ("16:9", Pixels { width: 16, height: 9 }),
    ("21:9", Pixels { width: 21, height: 9 }),
];

/// Half-way between the sides: below 1536² it is 1K, below 3072² it is 2K. For what is asked and what comes.
const LADDER: Ladder =
    Ladder { below: &[(1536 * 1536 - 1, ImageTier::K1), (3072 * 3072 - 1, ImageTier::K2)], top: ImageTier::K4 };

/// The generations that a request becomes: one image each.
///
/// # Errors
/// [`BodyError`] for a format that is not made: nothing in a call changes it.
pub fn plan(request: &ImageRequest) -> Result<ImagePlan, BodyError> {
    if !matches!(request.output_format, None | Some(ImageFormat::Jpeg)) {
        return Err(BodyError::unsupported("output_format", "this model makes jpeg"));
    }
    let (canvas, tier) = match request.size {
        Size::Auto => (Canvas::Default, ImageTier::K1),
        Size::Pixels(asked) => (Canvas::Ratio(nearest(asked)), LADDER.tier(asked)),
    };
    let job = ImageJob {
        prompt: request.prompt.clone(),
        count: 1,
        canvas,
        tier,
        ladder: LADDER,
        output_format: request.output_format,
    };
    Ok(ImagePlan::split(&job, request.count, |_| 1))
}

fn nearest(asked: Pixels) -> &'static str {
    let distance = |(_, ratio): &&(_, Pixels)| ratio.ratio_distance(asked);
    RATIOS.iter().min_by(|one, other| distance(one).total_cmp(&distance(other))).map_or("1:1", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ResponseFormat;

    fn planned(size: Size) -> ImagePlan {
        let request = ImageRequest {
            model: "nano-banana-pro".to_owned(),
            prompt: "a cat".into(),
            size,
            count: 2,
            response_format: ResponseFormat::Url,
            output_format: None,
            end_user: None,
        };
        plan(&request).unwrap()
    }

    /// What the model makes at 1K; 2K and 4K are exactly twice and four times that.
    const MADE: [(&str, u32, u32); 10] = [
        ("1:1", 1024, 1024),
        ("2:3", 848, 1264),
        ("3:2", 1264, 848),
        ("3:4", 896, 1200),
        ("4:3", 1200, 896),
        ("4:5", 928, 1152),
        ("5:4", 1152, 928),
        ("9:16", 768, 1376),
        ("16:9", 1376, 768),
        ("21:9", 1584, 672),
    ];

    #[test]
    fn what_the_model_makes_is_asked_for_by_its_name_and_priced_by_its_tier() {
        for (ratio, width, height) in MADE {
            for (times, tier) in [(1, ImageTier::K1), (2, ImageTier::K2), (4, ImageTier::K4)] {
                let pixels = Pixels { width: width * times, height: height * times };
                let plan = planned(Size::Pixels(pixels));
                assert_eq!((plan.jobs[0].canvas, plan.tier), (Canvas::Ratio(ratio), tier), "{pixels}");
                assert_eq!(LADDER.tier(pixels), tier, "{pixels}");
            }
        }
    }

    #[test]
    fn other_sizes_become_the_nearest() {
        for (width, height, ratio, tier) in [
            (256, 256, "1:1", ImageTier::K1),
            (1536, 1024, "3:2", ImageTier::K1),
            (1792, 1024, "16:9", ImageTier::K1),
            (1920, 1080, "16:9", ImageTier::K1),
            (1536, 1536, "1:1", ImageTier::K2),
            (2560, 1080, "21:9", ImageTier::K2),
            (3840, 2160, "16:9", ImageTier::K2),
            (3072, 3072, "1:1", ImageTier::K4),
            (9000, 100, "21:9", ImageTier::K1),
            (10, 16_000, "9:16", ImageTier::K1),
        ] {
            let plan = planned(Size::Pixels(Pixels { width, height }));
            assert_eq!((plan.jobs[0].canvas, plan.tier), (Canvas::Ratio(ratio), tier), "{width}x{height}");
        }
        assert_eq!(planned(Size::Auto).worst_case(), (ImageTier::K1, 2));
    }

    #[test]
    fn only_jpeg_is_made() {
        for (format, is_made) in [(ImageFormat::Jpeg, true), (ImageFormat::Png, false), (ImageFormat::Webp, false)] {
            let request = ImageRequest {
                model: "nano-banana-pro".to_owned(),
                prompt: "a cat".into(),
                size: Size::Auto,
                count: 1,
                response_format: ResponseFormat::Url,
                output_format: Some(format),
                end_user: None,
            };
            let param = plan(&request).err().and_then(|error| error.param);
            assert_eq!(param.as_deref(), (!is_made).then_some("output_format"));
        }
    }
}
