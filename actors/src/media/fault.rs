//! Why a generation failed, in the classes of `wire/media.md` §9.
//!
//! Holds no word of the provider: its texts, hosts, ids and model names never reach a caller. The relay
//! reads three things from it: what the caller is told, whether a second attempt may be made, and whether we
//! may owe the provider although the caller owes us nothing.

/// Why a generation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaFault {
    /// The provider refuses what was asked or what came of it: 400 `content_policy_violation`.
    #[error("the request was refused by the content policy")]
    Policy,
    /// The model answered without making anything and gave no reason: once more, then as [`Self::Policy`].
    #[error("the model made nothing")]
    NothingMade,
    /// The provider does not take a value: 400 `invalid_request`, with our name of the field where it is known.
    #[error("the provider does not take the request")]
    BadInput {
        /// The caller's field.
        param: Option<&'static str>,
    },
    /// Our account has no money or no subscription: 503, an alarm, and another account from then on.
    #[error("the provider account is out of credit")]
    OurMoney,
    /// Our account's quota or spend limit is used up, told by a 429: 503, an alarm, and another account at once.
    #[error("the quota of the provider account is used up")]
    OurQuota,
    /// Our key is refused: 503, and the account is to be disabled.
    #[error("the provider refuses the key")]
    OurKey,
    /// The model is not there, or not open to our account: 503.
    #[error("the provider does not know the model")]
    OurModel,
    /// Pace, or everything in use: 429 or a short wait; another account may be free.
    #[error("the provider is busy")]
    Busy {
        /// What it asked to wait.
        retry_after_millis: Option<u64>,
    },
    /// No connection stood: nothing was sent. 502.
    #[error("no connection to the provider")]
    NotSent,
    /// The provider says that it failed, and charges nothing for that.
    #[error("the provider failed")]
    Failed {
        /// What the caller is answered: 500, 502, 503 or 504.
        status: u16,
    },
    /// Sent, and nobody knows what came of it: the provider may have charged.
    #[error("the outcome at the provider is unknown")]
    UnknownOutcome {
        /// What the caller is answered: 504 after silence, else 500, 502 or 503.
        status: u16,
    },
    /// The gateway had no memory for the answer: 503; the provider may have charged.
    #[error("there was no room for the answer")]
    NoRoom,
    /// Answered against the protocol, or with what is no image: 502; the provider may have charged.
    #[error("malformed upstream answer: {what}")]
    Malformed {
        /// What was expected; never the provider's text.
        what: &'static str,
    },
}

/// Whether the generation may be begun a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No.
    No,
    /// Only on another account, of this provider or of the model's next: this one would say the same.
    OtherAccount,
    /// On another account, or on the same where there is no other.
    AnyAccount,
}

impl MediaFault {
    /// Whether a second attempt may be made, one at most. After no 4xx but a 429, and never where the provider may
    /// have charged (INTERFACE §3, promise 6).
    pub const fn retry(self) -> Retry {
        match self {
            Self::OurQuota | Self::Busy { .. } => Retry::OtherAccount,
            Self::NothingMade | Self::NotSent | Self::Failed { status: 500 | 502 | 503 } => Retry::AnyAccount,
            Self::Policy
            | Self::BadInput { .. }
            | Self::OurMoney
            | Self::OurKey
            | Self::OurModel
            | Self::Failed { .. }
            | Self::UnknownOutcome { .. }
            | Self::NoRoom
            | Self::Malformed { .. } => Retry::No,
        }
    }

    /// We may owe the provider for this: never sent again, and the reply says `x-should-retry: false`.
    pub const fn may_have_charged(self) -> bool {
        matches!(self, Self::UnknownOutcome { .. } | Self::NoRoom | Self::Malformed { .. })
    }

    /// A generation whose answer was lost.
    pub const fn lost(lost: super::Lost) -> Self {
        match lost {
            super::Lost::NotSent => Self::NotSent,
            super::Lost::BrokeOff => Self::UnknownOutcome { status: 502 },
            super::Lost::TimedOut => Self::UnknownOutcome { status: 504 },
            super::Lost::TooLarge => Self::Malformed { what: "an answer within bounds" },
            super::Lost::NoRoom => Self::NoRoom,
        }
    }

    /// A 5xx. `is_own_word` tells that the provider itself says so: then it made nothing. What an edge in
    /// front of it says tells nothing about the generation behind.
    pub const fn server(status: u16, is_own_word: bool) -> Self {
        let mirrored = if matches!(status, 500 | 502 | 503 | 504) { status } else { 502 };
        if is_own_word { Self::Failed { status: mirrored } } else { Self::UnknownOutcome { status: mirrored } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Lost;

    #[test]
    fn what_may_have_been_charged_is_never_sent_again() {
        let faults = [
            MediaFault::Policy,
            MediaFault::NothingMade,
            MediaFault::BadInput { param: None },
            MediaFault::OurMoney,
            MediaFault::OurQuota,
            MediaFault::OurKey,
            MediaFault::OurModel,
            MediaFault::Busy { retry_after_millis: None },
            MediaFault::NotSent,
            MediaFault::server(503, true),
            MediaFault::server(503, false),
            MediaFault::lost(Lost::TimedOut),
            MediaFault::lost(Lost::BrokeOff),
            MediaFault::lost(Lost::TooLarge),
            MediaFault::lost(Lost::NoRoom),
        ];
        let risky: Vec<_> = faults.into_iter().filter(|fault| fault.may_have_charged()).collect();
        assert_eq!(risky.len(), 5, "{risky:?}");
        assert!(risky.iter().all(|fault| fault.retry() == Retry::No));
    }

    #[test]
    fn of_all_4xx_only_a_429_goes_to_another_account() {
        for fault in [MediaFault::OurQuota, MediaFault::Busy { retry_after_millis: None }] {
            assert_eq!(fault.retry(), Retry::OtherAccount, "{fault}");
        }
        let param = None;
        let others = [MediaFault::OurMoney, MediaFault::OurKey, MediaFault::OurModel, MediaFault::BadInput { param }];
        for fault in others {
            assert_eq!(fault.retry(), Retry::No, "{fault}");
        }
    }

    #[test]
    fn silence_is_504_and_other_statuses_are_mirrored_only_where_we_have_them() {
        assert_eq!(MediaFault::lost(Lost::TimedOut), MediaFault::UnknownOutcome { status: 504 });
        assert_eq!(MediaFault::lost(Lost::NotSent).retry(), Retry::AnyAccount);
        assert_eq!(MediaFault::server(524, false), MediaFault::UnknownOutcome { status: 502 });
        assert_eq!(MediaFault::server(504, true).retry(), Retry::No);
        assert_eq!(MediaFault::server(500, true).retry(), Retry::AnyAccount);
    }
}
