//! What organizers send to issue passes as: whether the parts are what they should be, and belong together.

use application::admission::{AppleIssuerRequest, GoogleIssuerRequest, IssuerAccount, ReadIssuer};
use aws_lc_rs::signature::KeyPair as _;
use der::asn1::ObjectIdentifier;
use der::{DecodePem, Encode};
use domain::{EmailAddress, Problems, Timestamp};
use x509_cert::Certificate;
use x509_cert::name::Name;

use crate::key;

/// `uid` of a subject (RFC 4519): the pass type, in certificates of Apple's.
const USER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");
/// `ou`: the team.
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// More than any of these texts has.
const NAME_MAX: usize = 200;

pub(crate) fn apple(sent: &AppleIssuerRequest, now: Timestamp) -> Result<ReadIssuer, Problems> {
    let mut problems = Problems::default();
    let certificate = problems.take(certificate("certificate", &sent.certificate, now));
    let intermediate = problems.take(self::certificate("intermediateCertificate", &sent.intermediate, now));
    let no_key =
        || Problems::one("privateKey", "invalid", "must be an RSA key of 2048 bits or more in PEM, without a password");
    let key = problems.take(key::read(&sent.private_key).ok_or_else(no_key));
    let (Some(certificate), Some(intermediate), Some(key)) = (certificate, intermediate, key) else {
        problems.into_result()?;
        return Err(Problems::one("certificate", "invalid", "cannot be read"));
    };
    let subject = &certificate.tbs_certificate.subject;
    let pass_type = problems.take(named(subject, USER_ID, "a certificate of a pass type"));
    let team = problems.take(named(subject, UNIT, "a certificate of a team"));
    if intermediate.tbs_certificate.subject != certificate.tbs_certificate.issuer {
        problems.add("intermediateCertificate", "mismatch", "is not the one that has signed the certificate");
    }
    if !fits(&certificate, &key) {
        problems.add("privateKey", "mismatch", "is not the key of the certificate");
    }
    let expires_at = end(&certificate);
    let der = |certificate: &Certificate| certificate.to_der().ok();
    let (Some(pass_type), Some(team), Some(expires_at), Some(certificate), Some(intermediate), true) =
        (pass_type, team, expires_at, der(&certificate), der(&intermediate), problems.is_empty())
    else {
        problems.into_result()?;
        return Err(Problems::one("certificate", "invalid", "cannot be read"));
    };
    Ok((IssuerAccount::Apple { pass_type, team, certificate, intermediate, expires_at }, key))
}

pub(crate) fn google(sent: &GoogleIssuerRequest) -> Result<ReadIssuer, Problems> {
    let mut problems = Problems::default();
    let issuer = sent.issuer.trim();
    if !(1..=30).contains(&issuer.len()) || !issuer.bytes().all(|byte| byte.is_ascii_digit()) {
        problems.add("issuerId", "invalid", "must be the number of an issuer");
    }
    let account = problems.take(EmailAddress::parse("serviceAccountEmail", &sent.service_account));
    let no_key = || Problems::one("privateKey", "invalid", "must be an RSA key of 2048 bits or more in PEM");
    let key = problems.take(key::read(&sent.private_key).ok_or_else(no_key));
    let (Some(account), Some(key), true) = (account, key, problems.is_empty()) else {
        problems.into_result()?;
        return Err(Problems::one("issuerId", "invalid", "cannot be read"));
    };
    let service_account = account.as_str().to_owned();
    Ok((IssuerAccount::Google { issuer: issuer.to_owned(), service_account }, key))
}

fn certificate(field: &str, pem: &str, now: Timestamp) -> Result<Certificate, Problems> {
    let unread = |_| Problems::one(field, "invalid", "must be one X.509 certificate in PEM");
    let certificate = Certificate::from_pem(pem.trim().as_bytes()).map_err(unread)?;
    let begins = certificate.tbs_certificate.validity.not_before.to_unix_duration().as_secs();
    let begins = i64::try_from(begins).ok().and_then(|seconds| Timestamp::from_timestamp(seconds, 0));
    match (begins, end(&certificate)) {
        (Some(begins), Some(end)) if begins <= now && now < end => Ok(certificate),
        _ => Err(Problems::one(field, "expired", "does not hold at this time")),
    }
}

/// From when on a certificate is worth nothing.
fn end(certificate: &Certificate) -> Option<Timestamp> {
    let seconds = certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
    Timestamp::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// A text of a subject.
fn named(subject: &Name, what: ObjectIdentifier, of: &str) -> Result<String, Problems> {
    let all = subject.0.iter().flat_map(|part| part.0.iter());
    let found = all.filter(|part| part.oid == what).find_map(|part| std::str::from_utf8(part.value.value()).ok());
    let found = found.filter(|text| (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control));
    found.map(str::to_owned).ok_or_else(|| Problems::one("certificate", "invalid", format!("is not {of}")))
}

/// Whether the certificate is that of the key.
fn fits(certificate: &Certificate, key: &secrecy::SecretSlice<u8>) -> bool {
    let certified = certificate.tbs_certificate.subject_public_key_info.subject_public_key.as_bytes();
    let own = key::open(key);
    // Both are RSAPublicKey (RFC 8017, A.1.1).
    own.is_some_and(|pair| certified == Some(pair.public_key().as_ref()))
}
