//! The password, given again before money or prices move: within the last minutes, or with the form itself.

use actix_web::HttpRequest;

use super::shell::Trouble;
use crate::accounts::throttle::Trying;
use crate::dashboard::query::Fields;
use crate::extract::caller;
use crate::extract::operator::Operator;
use crate::relay::Gateway;

/// Goes on where the password was given lately, or is right in this form's field `password`; else says what is missing.
///
/// # Errors
/// Too many were tried, or none can be compared right now.
pub(super) async fn check(
    gateway: &Gateway,
    request: &HttpRequest,
    operator: &Operator,
    fields: &Fields,
) -> Result<Result<(), &'static str>, Trouble> {
    let now = gateway.core.clock.now().wall;
    let Some(password) = fields.raw("password").filter(|password| !password.is_empty()) else {
        let fresh = operator.is_fresh(now);
        return Ok(if fresh { Ok(()) } else { Err("Enter your password to go on: it was not given lately.") });
    };
    let accounts = &gateway.accounts;
    let address = caller::address(gateway, request);
    let tried = accounts.throttle.attempt(Trying::Password, &operator.email, address, now).map_err(Trouble::TooMany)?;
    let known = gateway.core.office(|office| office.people.person(operator.person).map(|known| known.password.clone()));
    if !accounts.passwords.is(password.to_owned(), known.as_ref()).await? {
        return Ok(Err("The password is not right."));
    }
    accounts.throttle.forgive(&tried);
    let compared = known.ok_or(Trouble::Changed)?;
    crate::accounts::decide(&gateway.core, |people, at| {
        let decided = people.confirm_password(operator.session, &compared, at).ok_or(Trouble::Changed)?;
        Ok::<_, Trouble>(((), decided))
    })
    .await?;
    Ok(Ok(()))
}
