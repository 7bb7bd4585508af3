//! One Seedream image: the call, then the file that its answer links to.

use serde::Deserialize;

use super::errors::{WireError, fault, fault_inside};
use super::{HOSTS, request};
use crate::adapters::download::{Download, Fetch, Hosts};
use crate::media::{Answer, Delivery, ImageJob, MediaFault, News, Setting, Step};

/// A generation that runs.
#[derive(Clone, Debug)]
pub struct Machine {
    hosts: Hosts,
    /// The file, once it is announced.
    download: Option<Download>,
}

#[derive(Deserialize)]
struct WireAnswer {
    #[serde(default)]
    data: Option<Vec<WireImage>>,
    #[serde(default)]
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireImage {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    error: Option<WireError>,
}

impl Machine {
    /// A generation and its first step.
    pub fn begin(job: &ImageJob, setting: &Setting<'_>) -> (Self, Step<Delivery>) {
        let machine = Self { hosts: Hosts::new(HOSTS, setting), download: None };
        (machine, Step::Call(request::call(job, setting)))
    }

    /// What follows from what came of the last step.
    pub fn next(&mut self, news: News) -> Step<Delivery> {
        let Some(download) = &mut self.download else {
            return match news {
                News::Answer(answer) => self.announced(&answer).map_or_else(Step::Failed, |download| {
                    let call = download.call();
                    self.download = Some(download);
                    Step::Call(call)
                }),
                News::Lost(lost) => Step::Failed(MediaFault::lost(lost)),
                News::Waited => Step::Failed(MediaFault::Malformed { what: "an answer" }),
            };
        };
        match download.next(&self.hosts, news) {
            Fetch::Call(call) => Step::Call(call),
            Fetch::Wait(millis) => Step::Wait { millis },
            Fetch::Done(image) => Step::Done(Delivery { images: vec![image], missing: None }),
            Fetch::Failed(fault) => Step::Failed(fault),
        }
    }

    /// The file in the answer. More than one was not asked for, and is left where it is.
    fn announced(&self, answer: &Answer) -> Result<Download, MediaFault> {
        if !answer.is_success() {
            return Err(fault(answer));
        }
        let malformed = |what| MediaFault::Malformed { what };
        let wire: WireAnswer =
            serde_json::from_slice(&answer.body).map_err(|_| malformed("an answer with a list of images"))?;
        let images = wire.data.unwrap_or_default();
        if let Some(url) = images.iter().find_map(|image| image.url.as_deref()) {
            return self.hosts.place(url).map(Download::new).ok_or(malformed("a file on a host that is allowed"));
        }
        let error = wire.error.or_else(|| images.into_iter().find_map(|image| image.error));
        Err(error.map_or(malformed("an image or an error"), |error| fault_inside(&error)))
    }
}

#[cfg(test)]
mod tests;
