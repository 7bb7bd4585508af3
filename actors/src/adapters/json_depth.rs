//! How deeply JSON may be nested, checked before anything parses it.

use super::{BodyError, openai};

/// Refuses JSON that is nested deeper than `depth_max`.
///
/// # Errors
/// [`BodyError`] of invalid JSON.
pub fn check(bytes: &[u8], depth_max: usize) -> Result<(), BodyError> {
    if openai::json_depth(bytes) > depth_max {
        return Err(BodyError::invalid_json(format!("the body is nested deeper than {depth_max} levels")));
    }
    Ok(())
}
