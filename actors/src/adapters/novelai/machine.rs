//! One generation: the call, and its answer in whole.

use super::{archive, errors, png, request};
use crate::adapters::fault::Malformed;
use crate::media::{Answer, Delivery, Image, ImageJob, MediaFault, News, Setting, Step};

/// A generation that runs.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Images that were asked for.
    count: u32,
}

impl Machine {
    /// A generation and its first step.
    pub fn begin(job: &ImageJob, setting: &Setting<'_>) -> (Self, Step<Delivery>) {
        (Self { count: job.count }, Step::Call(request::call(job, setting)))
    }

    /// What follows from what came of the last step. An answer is decoded and written anew, which takes some
    /// tens of milliseconds per image: not for a thread that serves others.
    pub fn next(&mut self, news: News) -> Step<Delivery> {
        match news {
            News::Answer(answer) => self.answered(answer).map_or_else(Step::Failed, Step::Done),
            News::Lost(lost) => Step::Failed(MediaFault::lost(lost)),
            News::Waited => Step::Failed(MediaFault::Malformed { what: "an answer" }),
        }
    }

    fn answered(self, answer: Answer) -> Result<Delivery, MediaFault> {
        if !answer.is_success() {
            return Err(errors::fault(&answer));
        }
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let files = archive::files(answer.body, count).map_err(paid_for)?;
        let mut images = Vec::new();
        let mut missing = (files.len() < count).then_some(MediaFault::Malformed { what: "a file for every image" });
        // One file that cannot be read does not take the others with it.
        for file in files {
            match read(&file) {
                Ok(image) => images.push(image),
                Err(malformed) => missing = Some(paid_for(malformed)),
            }
        }
        match missing {
            Some(fault) if images.is_empty() => Err(fault),
            missing => Ok(Delivery { images, missing }),
        }
    }
}

fn read(file: &[u8]) -> Result<Image, Malformed> {
    Image::read(png::cleaned(file)?).ok_or(Malformed { what: "a PNG file with a size" })
}

const fn paid_for(malformed: Malformed) -> MediaFault {
    MediaFault::Malformed { what: malformed.what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image_tier::ImageTier;
    use crate::media::{Call, Charge, ImageRequest, Lost, Pixels, ResponseFormat, Retry, Size};
    use ::png::{ColorType, Encoder};
    use bytes::Bytes;
    use std::io::{Cursor, Write};

    const SETTING: Setting<'_> = Setting {
        upstream_model: "nai-diffusion-4-full",
        base_url: "https://image.novelai.net",
        seed: u32::MAX,
        budget_millis: 60_000,
    };

    fn begin(size: Size, count: u32) -> (ImageJob, Machine, Call) {
        let request = ImageRequest {
            model: "novelai-v4".to_owned(),
            prompt: "1girl, \"猫\"".into(),
            size,
            count,
            response_format: ResponseFormat::Url,
            output_format: None,
            end_user: None,
        };
        let job = super::super::plan(&request).unwrap().jobs.remove(0);
        let (machine, step) = Machine::begin(&job, &SETTING);
        let Step::Call(call) = step else { panic!("{step:?}") };
        (job, machine, call)
    }

    fn a_png(width: u32, height: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, width, height);
        encoder.set_color(ColorType::Rgba);
        encoder.add_text_chunk("Comment".to_owned(), "secret".to_owned()).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![255; width as usize * height as usize * 4]).unwrap();
        writer.finish().unwrap();
        out
    }

    fn zipped(files: &[Vec<u8>]) -> News {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (index, file) in files.iter().enumerate() {
            writer.start_file(format!("image_{index}.png"), zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(file).unwrap();
        }
        answer(200, writer.finish().unwrap().into_inner())
    }

    fn answer(status: u16, body: impl Into<Bytes>) -> News {
        let content_type = Some("binary/octet-stream".to_owned());
        News::Answer(Answer { status, content_type, body: body.into(), ..Answer::default() })
    }

    #[test]
    fn the_body_is_the_one_that_v4_reads() {
        let (job, _, call) = begin(Size::Pixels(Pixels { width: 1536, height: 1024 }), 2);
        assert_eq!((job.tier, job.count, call.charge), (ImageTier::K1Half, 2, Charge::Starts));
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        insta::assert_json_snapshot!(body);
        insta::assert_debug_snapshot!(call.place, @r#"
        Provider {
            path: "/ai/generate-image",
            auth: Bearer,
        }
        "#);
    }

    #[test]
    fn files_become_images_of_their_real_size() {
        let (job, mut machine, _) = begin(Size::Auto, 2);
        let step = machine.next(zipped(&[a_png(832, 1216), a_png(832, 1216), a_png(832, 1216)]));
        let Step::Done(delivery) = step else { panic!("{step:?}") };
        assert_eq!((delivery.images.len(), delivery.missing), (2, None), "a third was not asked for");
        for image in &delivery.images {
            assert_eq!(job.charged_tier(image), ImageTier::K1);
            assert_eq!(image.size, Pixels { width: 832, height: 1216 });
            assert!(!image.bytes.windows(4).any(|bytes| bytes == b"tEXt"));
        }
    }

    #[test]
    fn what_is_whole_is_delivered_and_what_is_missing_is_said() {
        let (_, mut machine, _) = begin(Size::Auto, 2);
        let short = machine.next(zipped(&[a_png(64, 64)]));
        let Step::Done(Delivery { images, missing: Some(missing) }) = short else { panic!("{short:?}") };
        assert_eq!((images.len(), missing), (1, MediaFault::Malformed { what: "a file for every image" }));
        let broken = machine.next(zipped(&[b"\x89PNG no".to_vec(), a_png(64, 64)]));
        assert!(matches!(broken, Step::Done(Delivery { images, missing: Some(_) }) if images.len() == 1));
        for news in [zipped(&[]), zipped(&[b"GIF89a".to_vec()]), answer(200, "<html>"), answer(201, "PK\x03\x04")] {
            let step = machine.next(news);
            assert!(matches!(step, Step::Failed(fault) if fault.may_have_charged()), "{step:?}");
        }
    }

    #[test]
    fn errors_and_lost_answers_have_their_class() {
        let (_, mut machine, _) = begin(Size::Auto, 1);
        let locked = machine.next(answer(429, r#"{"statusCode":429,"message":"Concurrent generation is locked"}"#));
        assert_eq!(locked, Step::Failed(MediaFault::Busy { retry_after_millis: None }));
        let step = machine.next(News::Lost(Lost::TimedOut));
        assert!(matches!(step, Step::Failed(fault) if fault.retry() == Retry::No), "{step:?}");
    }
}
