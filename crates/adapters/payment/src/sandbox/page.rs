//! The page on which a buyer decides. Plain HTML: nothing of it needs a script.

use domain::Money;

use super::wire::{ChargeBody, ChargeWord};

pub(super) fn checkout(charge: &ChargeBody) -> String {
    let currency = charge.currency.parse().ok();
    let amount = match currency {
        Some(currency) => Money { minor: charge.amount, currency }.to_string(),
        None => format!("{} {}", charge.amount, charge.currency),
    };
    let what = format!("<p>{} for <b>{}</b></p>", escaped(&amount), escaped(&charge.description));
    let state = match (charge.status, &charge.checkout_url) {
        (ChargeWord::Processing, Some(_)) => {
            "<form method=\"post\"><button name=\"pay\" value=\"true\">Pay</button> \
             <button name=\"pay\" value=\"false\">Decline</button></form>"
        }
        (ChargeWord::Processing, None) => "<p role=\"status\">The bank has not answered yet.</p>",
        (ChargeWord::Succeeded, _) => "<p role=\"status\">Paid. You can close this page.</p>",
        (ChargeWord::Failed, _) => "<p role=\"status\">Declined. You can close this page.</p>",
        (ChargeWord::Cancelled, _) => "<p role=\"status\">This payment was called off.</p>",
    };
    document(&format!("{what}{state}"))
}

pub(super) fn not_found() -> String {
    document("<p role=\"status\">There is no such payment.</p>")
}

fn document(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Sandbox payment</title></head>\
         <body><main><h1>Sandbox payment</h1><p>No real money is moved here.</p>{body}</main></body></html>"
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_is_text() {
        assert_eq!(escaped("<b a=\"x\" c='y'>&"), "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;");
    }
}
