//! The hosted page, and forms as browsers and clients send them.

use serde_json::Value;

/// The page of a session: what is paid, and two buttons.
pub(super) fn pay(session: &Value) -> String {
    let id = session.get("id").and_then(Value::as_str).unwrap_or_default();
    let cents = session.get("amount_total").and_then(Value::as_i64).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><link rel=\"icon\" href=\"data:,\"><title>Pay</title><h1>Pay ${}.{:02}</h1>\
         <p>This is a stand-in for the payment provider's page. No money moves.</p>\
         <form method=\"post\" action=\"/pay/{id}/pay\"><button id=\"pay\">Pay</button></form>\
         <form method=\"post\" action=\"/pay/{id}/cancel\"><button id=\"cancel\">Cancel</button></form></html>",
        cents / 100,
        cents % 100
    )
}

/// The pairs of a form, decoded, in order.
pub(super) fn parse_form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let code = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(code.unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
