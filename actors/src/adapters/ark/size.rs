//! Which sizes Seedream makes, and what an `OpenAI` size becomes.
//!
//! Lite and Pro are two products with different rules, told apart by the pinned model; an endpoint id (`ep-…`)
//! does not tell, and follows the rules of Lite. A size within the range goes through as it is; one outside
//! keeps its ratio and moves to the nearest end, on the provider's own preset where there is one.

use crate::adapters::fault::BodyError;
use crate::domain::image_tier::ImageTier;
use crate::media::{Canvas, ImageFormat, ImageJob, ImagePlan, ImageRequest, Ladder, Pixels, Size};

/// Sides of a size of ours are multiples of this.
const STEP: u32 = 16;
const RATIO_MAX: f64 = 16.0;
/// Ratios this near (in logarithm) are the same picture.
const SAME_RATIO: f64 = 0.02;

/// One product's rules.
struct Rules {
    area_min: u64,
    area_max: u64,
    ladder: Ladder,
    /// For what is too small.
    small: &'static [(u32, u32)],
    small_area: u32,
    /// For what is too large.
    large: &'static [(u32, u32)],
}

const LITE: Rules = Rules {
    area_min: 3_686_400,
    area_max: 10_404_496,
    // Every preset of 2K is below this; between it and the presets of 3K the dearer tier is held.
    ladder: Ladder { below: &[(4_624_220, ImageTier::K2)], top: ImageTier::K3 },
    small: &[
        (2048, 2048),
        (2304, 1728),
        (1728, 2304),
        (2496, 1664),
        (1664, 2496),
        (2848, 1600),
        (1600, 2848),
        (3136, 1344),
    ],
    small_area: 2048 * 2048,
    large: &[(3072, 3072), (3456, 2592), (2592, 3456), (3744, 2496), (2496, 3744), (4096, 2304), (2304, 4096)],
};

const PRO: Rules = Rules {
    area_min: 921_600,
    area_max: 4_624_220,
    // The price doubles at about 2.36 megapixels.
    ladder: Ladder { below: &[(1_310_720, ImageTier::K1), (2_359_296, ImageTier::K1Half)], top: ImageTier::K2 },
    small: &[(1024, 1024), (1424, 800), (800, 1424)],
    small_area: 1024 * 1024,
    large: &[
        (2048, 2048),
        (2304, 1728),
        (1728, 2304),
        (2496, 1664),
        (1664, 2496),
        (2816, 1584),
        (1584, 2816),
        (3136, 1344),
    ],
};

fn rules(upstream_model: &str) -> &'static Rules {
    if upstream_model.contains("-pro") { &PRO } else { &LITE }
}

/// The generations that a request becomes: one image each.
///
/// # Errors
/// [`BodyError`] for a format that is not made.
pub fn plan(request: &ImageRequest, upstream_model: &str) -> Result<ImagePlan, BodyError> {
    if request.output_format == Some(ImageFormat::Webp) {
        return Err(BodyError::unsupported("output_format", "this model makes png and jpeg"));
    }
    let rules = rules(upstream_model);
    let (canvas, tier) = match request.size {
        // The default of both products, whose ratio follows the prompt.
        Size::Auto => (Canvas::Default, ImageTier::K2),
        Size::Pixels(asked) => {
            let pixels = rules.nearest(asked);
            (Canvas::Pixels(pixels), rules.ladder.tier(pixels))
        }
    };
    let job = ImageJob {
        prompt: request.prompt.clone(),
        count: 1,
        canvas,
        tier,
        ladder: rules.ladder,
        output_format: request.output_format,
    };
    Ok(ImagePlan::split(&job, request.count, |_| 1))
}

impl Rules {
    fn nearest(&self, asked: Pixels) -> Pixels {
        let is_within_ratio = (RATIO_MAX.recip()..=RATIO_MAX).contains(&asked.ratio());
        if is_within_ratio && (self.area_min..=self.area_max).contains(&asked.area()) {
            return asked;
        }
        let (presets, area) = if asked.area() < self.area_min {
            (self.small, f64::from(self.small_area))
        } else {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            (self.large, (asked.area().min(self.area_max)) as f64)
        };
        let presets = presets.iter().map(|(width, height)| Pixels { width: *width, height: *height });
        let nearest = presets.min_by(|one, other| one.ratio_distance(asked).total_cmp(&other.ratio_distance(asked)));
        match nearest {
            Some(preset) if preset.ratio_distance(asked) <= SAME_RATIO => preset,
            _ => self.scaled(asked.ratio(), area),
        }
    }

    /// A size of this ratio and about this area, in steps, within every bound.
    fn scaled(&self, ratio: f64, area: f64) -> Pixels {
        // Rounded sides must not fall out of the ratio's bounds.
        let ratio = ratio.clamp((RATIO_MAX - 0.5).recip(), RATIO_MAX - 0.5);
        let step = f64::from(STEP);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand at most")]
        let side = |length: f64| (((length / step).round()) as u32).max(1) * STEP;
        let mut pixels = Pixels { width: side((area * ratio).sqrt()), height: side((area / ratio).sqrt()) };
        while pixels.area() > self.area_max {
            let longer = if pixels.width > pixels.height { &mut pixels.width } else { &mut pixels.height };
            *longer -= STEP;
        }
        while pixels.area() < self.area_min {
            let shorter = if pixels.width > pixels.height { &mut pixels.height } else { &mut pixels.width };
            *shorter += STEP;
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ResponseFormat;
    use proptest::prelude::*;

    const LITE_ID: &str = "seedream-5-0-260128";
    const PRO_ID: &str = "dola-seedream-5-0-pro-260628";

    fn request(size: Size) -> ImageRequest {
        ImageRequest {
            model: "seedream-5".to_owned(),
            prompt: "a cat".into(),
            size,
            count: 3,
            response_format: ResponseFormat::Url,
            output_format: None,
            end_user: None,
        }
    }

    fn sized(width: u32, height: u32) -> Size {
        Size::Pixels(Pixels { width, height })
    }

    #[test]
    fn every_class_of_size_has_its_place() {
        let mut lines = Vec::new();
        for (width, height) in [
            (256, 256),
            (512, 512),
            (1024, 1024),
            (1536, 1024),
            (1024, 1792),
            (1920, 1080),
            (2048, 2048),
            (2560, 1440),
            (3000, 3000),
            (3840, 2160),
            (4096, 4096),
            (8192, 4608),
            (1000, 10),
            (10, 1000),
        ] {
            let of = |model| {
                let plan = plan(&request(sized(width, height)), model).unwrap();
                let Canvas::Pixels(pixels) = plan.jobs[0].canvas else { panic!() };
                format!("{pixels} ({})", plan.tier)
            };
            lines.push(format!("{width}x{height}: Lite {}, Pro {}", of(LITE_ID), of(PRO_ID)));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn n_images_are_n_generations_held_at_their_tier() {
        for model in [LITE_ID, PRO_ID] {
            let plan = plan(&request(Size::Auto), model).unwrap();
            assert_eq!(plan.worst_case(), (ImageTier::K2, 3));
            assert!(plan.jobs.iter().all(|job| job.count == 1 && job.canvas == Canvas::Default));
        }
    }

    #[test]
    fn webp_is_refused_by_name() {
        let request = ImageRequest { output_format: Some(ImageFormat::Webp), ..request(Size::Auto) };
        assert_eq!(plan(&request, LITE_ID).unwrap_err().param.as_deref(), Some("output_format"));
    }

    #[test]
    fn every_preset_is_legal_and_of_the_tier_it_stands_for() {
        for (rules, small, large) in [(LITE, ImageTier::K2, ImageTier::K3), (PRO, ImageTier::K1, ImageTier::K2)] {
            let presets = |list: &[(u32, u32)], tier| {
                for (width, height) in list {
                    let pixels = Pixels { width: *width, height: *height };
                    assert!((rules.area_min..=rules.area_max).contains(&pixels.area()), "{pixels}");
                    assert_eq!(rules.ladder.tier(pixels), tier, "{pixels}");
                }
            };
            presets(rules.small, small);
            presets(rules.large, large);
        }
    }

    proptest! {
        #[test]
        fn the_mapped_size_is_always_legal(
            width in 1..=Pixels::SIDE_MAX, height in 1..=Pixels::SIDE_MAX, narrow in 1_u32..64, pro: bool,
        ) {
            let rules = if pro { &PRO } else { &LITE };
            for asked in [Pixels { width, height }, Pixels { width, height: narrow }, Pixels { width: narrow, height }] {
                let pixels = rules.nearest(asked);
                prop_assert!((rules.area_min..=rules.area_max).contains(&pixels.area()), "{asked} {pixels}");
                prop_assert!((1.0 / 16.0..=16.0).contains(&pixels.ratio()), "{asked} {pixels}");
                let is_moderate = (0.1..=10.0).contains(&asked.ratio());
                prop_assert!(!is_moderate || pixels.ratio_distance(asked) < 0.06, "{asked} {pixels}");
            }
        }
    }
}
