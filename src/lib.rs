//! LMHaven.
