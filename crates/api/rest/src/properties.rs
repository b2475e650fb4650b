//! What holds of everything that reads headers and addresses, whatever is sent: it never panics, what it takes over is
//! what was sent, and what we have made reads back as it was.
//!
//! Each property is tried a few hundred times here, and a million times by `make fuzz`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use application::clock::Ids;
use axum::http::header::{AUTHORIZATION, COOKIE, FORWARDED, HOST, IF_MATCH, IF_NONE_MATCH, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use domain::Language;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use crate::context::{CORRELATION_ID, Context};
use crate::extract::caller::bearer;
use crate::extract::client::best_language;
use crate::extract::conditional::{expected, is_known};
use crate::extract::cookie::{Site, cookie, site};
use crate::extract::idempotency::{IDEMPOTENCY_KEY, word};
use crate::extract::path;
use crate::forwarded::{Network, caller_address};
use crate::page::{Cursor, List};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Any value that a header can have.
fn any_value() -> impl Strategy<Value = HeaderValue> {
    let byte = any::<u8>().prop_map(|byte| if byte < b' ' || byte == 0x7f { b'\t' } else { byte });
    vec(byte, 0..48).prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

/// A value of these characters alone, which is nearer to what is understood.
fn value_of(alphabet: &'static [u8], most: usize) -> impl Strategy<Value = HeaderValue> {
    vec(select(alphabet), 0..most).prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

fn one(name: HeaderName, value: HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(name, value)])
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap()
}

struct Fixed;

impl Ids for Fixed {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(5)
    }

    fn random(&self) -> u64 {
        5
    }
}

fn list() -> impl Strategy<Value = List> {
    select(&[List::Users, List::Organizers, List::Events, List::MyBookings, List::Members, List::Invitations][..])
}

proptest! {
    #[test]
    fn a_bearer_token_is_what_stands_behind_the_word(
        value in prop_oneof![any_value(), value_of(b"Bbearer \tx.-", 16)],
        token in vec(select(&b"abcXYZ019-_."[..]), 1..60),
    ) {
        if let Ok(found) = bearer(&one(AUTHORIZATION, value.clone())) {
            let sent = value.to_str().unwrap();
            prop_assert!(sent.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer ")), "{sent:?}");
            prop_assert_eq!(found, Some(sent[7..].trim()));
        }
        let token = std::str::from_utf8(&token).unwrap();
        let headers = one(AUTHORIZATION, text(&format!("Bearer {token}")));
        prop_assert_eq!(bearer(&headers).ok().flatten(), Some(token));
    }

    #[test]
    fn a_cookie_is_found_where_it_stands_once(
        pairs in vec((select(&["a", "b", "__Host-a", "A"][..]), "[!-+--:<-~]{0,6}"), 0..6),
        noise in vec(prop_oneof![any_value(), value_of(b"ab=; \"", 16)], 0..3),
    ) {
        let line = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut values = pairs.iter().filter(|(name, _)| *name == "a").map(|(_, value)| value.as_str());
        let only = values.next().filter(|_| values.next().is_none());
        let sent = one(COOKIE, text(&line));
        prop_assert_eq!(cookie(&sent, "a"), only);
        // Rubbish finds nothing that was not sent, and breaks nothing.
        let mut headers = HeaderMap::new();
        for value in &noise {
            headers.append(COOKIE, value.clone());
        }
        if let Some(found) = cookie(&headers, "a") {
            let pair = format!("a={found}");
            prop_assert!(noise.iter().any(|line| line.to_str().is_ok_and(|line| line.contains(&pair))));
        }
    }

    #[test]
    fn no_other_site_is_taken_for_ours(
        fetch_site in prop::option::of(prop_oneof![
            any_value(),
            select(&["same-origin", "same-site", "cross-site", "none", "SAME-ORIGIN"][..]).prop_map(text),
        ]),
        origin in prop::option::of(prop_oneof![
            any_value(),
            select(&["https://own", "http://own", "https://own.evil", "https://evil", "null", "own"][..]).prop_map(text),
        ]),
        host in prop::option::of(prop_oneof![any_value(), select(&["own", "inside"][..]).prop_map(text)]),
    ) {
        let mut parts: Parts = Request::new(()).into_parts().0;
        for (name, value) in [(FETCH_SITE, &fetch_site), (ORIGIN, &origin), (HOST, &host)] {
            if let Some(value) = value {
                parts.headers.insert(name, value.clone());
            }
        }
        let told = |value: &Option<HeaderValue>| value.as_ref().and_then(|it| it.to_str().ok()).map(str::to_owned);
        let (fetch_site, origin, host) = (told(&fetch_site), told(&origin), told(&host));
        if site(&parts, Some("https://own")) == Site::Own {
            let by_fetch_site = fetch_site.as_deref() == Some("same-origin");
            let is_told = fetch_site.is_some_and(|it| it != "none");
            let by_origin = origin.is_some_and(|origin| {
                origin == "https://own" || host.is_some_and(|host| origin.ends_with(&format!("://{host}")))
            });
            prop_assert!((is_told && by_fetch_site) || (!is_told && by_origin));
        }
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_reads(
        list in list(),
        other in list(),
        micros in any::<i64>(),
        id in any::<u128>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        noise in prop_oneof![any::<String>(), "[A-Za-z0-9_-]{0,60}"],
    ) {
        let cursor = Cursor { list, micros, id: Uuid::from_u128(id) };
        let made = cursor.encode();
        let read = |list, text: &str| Cursor::decode(list, text).ok();
        prop_assert_eq!(read(list, &made), Some(cursor));
        if list != other {
            prop_assert_eq!(read(other, &made), None);
        }
        let mut changed = made.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        if let Ok(changed) = String::from_utf8(changed)
            && changed != made
        {
            prop_assert_eq!(read(list, &changed), None);
        }
        prop_assert_eq!(read(list, &noise), None);
    }

    #[test]
    fn an_idempotency_key_reads_back_quoted_and_bare(
        key in vec(b' '..=b'~', 1..60),
        noise in prop_oneof![any_value(), value_of(b"ab\\\" \t", 12)],
    ) {
        let read = |value: HeaderValue| word(&one(IDEMPOTENCY_KEY, value)).ok().flatten();
        let key = String::from_utf8(key).unwrap();
        let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        let found = read(text(&quoted));
        prop_assert_eq!(found.as_deref(), Some(key.as_str()));
        let bare = key.trim();
        if !bare.is_empty() && !bare.starts_with('"') {
            let found = read(text(&key));
            prop_assert_eq!(found.as_deref(), Some(bare));
        }
        if let Some(found) = read(noise.clone()) {
            prop_assert!((1..=255).contains(&found.len()) && found.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let again = format!("\"{}\"", found.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(read(text(&again)), Some(found));
        }
    }

    #[test]
    fn if_match_is_the_version_that_was_sent_or_never_the_present_one(
        version in 1..=u64::MAX,
        noise in prop_oneof![
            any_value(),
            value_of(b"W/\"0129*, ", 12),
            "(W/)?\"[+]?[0-9]{0,3}\"".prop_map(|tag| text(&tag)),
        ],
    ) {
        let read = |value: HeaderValue| expected(&one(IF_MATCH, value));
        prop_assert_eq!(read(text(&format!("\"{version}\""))).ok(), Some(Some(version)));
        prop_assert_eq!(read(text(&format!("W/\"{version}\""))).ok(), Some(Some(0)), "weak tags never match");
        match read(noise.clone()) {
            Ok(Some(version)) if version > 0 => {
                let again = format!("\"{version}\"");
                prop_assert_eq!(noise.to_str().unwrap().trim(), again);
            }
            Ok(None) => prop_assert_eq!(noise.to_str().unwrap().trim(), "*"),
            Ok(Some(_)) | Err(_) => {}
        }
    }

    #[test]
    fn if_none_match_knows_what_was_answered(
        version in any::<u32>(),
        noise in prop_oneof![any_value(), value_of(b"W/\"0129-, ", 12)],
    ) {
        let etag = text(&format!("W/\"{version}-x\""));
        prop_assert!(is_known(&one(IF_NONE_MATCH, etag.clone()), &etag));
        let is_any = noise.to_str().is_ok_and(|it| it.split(',').any(|tag| tag.trim() == "*"));
        // No noise holds an x, which the tag does.
        let has_x = noise.as_bytes().contains(&b'x');
        prop_assert!(is_any || has_x || !is_known(&one(IF_NONE_MATCH, noise), &etag));
    }

    #[test]
    fn ids_of_a_request_are_taken_over_whole_or_not_at_all(
        id in prop_oneof![any_value(), value_of(b"aZ09._- /\"", 70)],
        traceparent in prop_oneof![any_value(), value_of(b"0af1-", 60)],
        (version, trace, span, flags) in (0..255u8, 1..=u128::MAX, 1..=u64::MAX, any::<u8>()),
    ) {
        let context = Context::of(&one(CORRELATION_ID, id.clone()), None, &Fixed);
        let taken = context.correlation_id();
        prop_assert!((1..=64).contains(&taken.len()));
        prop_assert!(taken.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
        prop_assert!(taken.as_bytes() == id.as_bytes() || taken == Uuid::from_u128(5).to_string());

        let of = |value: HeaderValue| Context::of(&one(TRACEPARENT, value), None, &Fixed).origin().traceparent;
        let made = format!("{version:02x}-{trace:032x}-{span:016x}-{flags:02x}");
        let taken = of(text(&made));
        prop_assert_eq!(taken.as_deref(), Some(made.as_str()));
        if let Some(taken) = of(traceparent.clone()) {
            prop_assert_eq!(taken.as_bytes(), traceparent.as_bytes());
            prop_assert!((55..=128).contains(&taken.len()) && taken.is_ascii());
        }
    }

    #[test]
    fn nobody_makes_up_whom_a_request_comes_from(
        client in prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
            any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()),
        ],
        made_up in prop_oneof![any_value(), value_of(b"for=\"[]:;, 16.\\", 40)],
        by_standard in any::<bool>(),
        proxies in 0..3_usize,
    ) {
        let trusted: [Network; 2] = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let own = |address: IpAddr| caller_address(address, &HeaderMap::new(), &trusted) == address;
        prop_assert!(own(client) && own(proxy));
        // What the client sends stands before what the first proxy has seen, and what proxies have seen behind it.
        let hop = |address: &str| if by_standard { format!(",for=\"{address}\"") } else { format!(",{address}") };
        let bracketed = if client.is_ipv6() { format!("[{client}]") } else { client.to_string() };
        let seen = hop(&bracketed) + &hop("10.7.7.7").repeat(proxies);
        let line = HeaderValue::from_bytes(&[made_up.as_bytes(), seen.as_bytes()].concat()).unwrap();
        let headers = one(if by_standard { FORWARDED } else { X_FORWARDED_FOR }, line);
        let found = caller_address(proxy, &headers, &trusted);
        let is_proxy = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        };
        if is_proxy(client) || by_standard {
            // A quotation mark that never closes, or a character that is none, hides all that stands behind it.
            prop_assert!(found == client || is_proxy(found) || is_proxy(client));
        } else {
            prop_assert_eq!(found, client);
        }
        if !is_proxy(client) {
            prop_assert_eq!(caller_address(client, &headers, &trusted), client, "who is no proxy is not believed");
        }
    }

    #[test]
    fn an_id_in_a_path_has_one_form(id in any::<u128>(), noise in prop_oneof![any::<String>(), "[0-9a-f-]{30,40}"]) {
        let id = Uuid::from_u128(id);
        prop_assert_eq!(path::parse(&id.to_string()), Some(id));
        if let Some(found) = path::parse(&noise) {
            prop_assert_eq!(found.to_string(), noise.to_lowercase());
        }
    }

    #[test]
    fn wishes_for_a_language_break_nothing(
        noise in prop_oneof![any::<String>(), "[a-zA-Z*;=q.,0-9 -]{0,40}"],
        strange in select(&["NaN", "inf", "-1", "1e39", "-0", "1.0001"][..]),
    ) {
        let _ = best_language(&noise);
        let language = best_language(&format!("pl;q={strange},en;q=0.5"));
        prop_assert!(matches!(language, Some(Language::Polish | Language::English)));
    }
}
