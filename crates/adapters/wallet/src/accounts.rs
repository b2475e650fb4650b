//! What organizers send to issue passes as: whether the parts are what they should be, and belong together.

use application::admission::{AppleIssuerRequest, GoogleIssuerRequest, IssuerAccount, ReadIssuer};
use aws_lc_rs::signature::KeyPair as _;
use der::asn1::ObjectIdentifier;
use der::{DecodePem, Encode};
use domain::{EmailAddress, Problems, Timestamp};
use secrecy::{SecretSlice, SecretString};
use x509_cert::Certificate;
use x509_cert::name::Name;
use x509_cert::time::{Time, Validity};

use crate::key;

/// `uid` of a subject (RFC 4519): the pass type, in certificates of Apple's.
const USER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");
/// `ou`: the team.
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// More than any of these texts has.
const NAME_MAX: usize = 200;

/// A certificate that holds.
struct Holding {
    certificate: Certificate,
    der: Vec<u8>,
    expires_at: Timestamp,
}

pub(crate) fn apple(sent: &AppleIssuerRequest, now: Timestamp) -> Result<ReadIssuer, Problems> {
    let mut problems = Problems::default();
    let own = problems.take(holding("certificate", &sent.certificate, now));
    let above = problems.take(holding("intermediateCertificate", &sent.intermediate, now));
    let key = problems.take(rsa_key(&sent.private_key));
    let (Some(own), Some(above), Some(key)) = (own, above, key) else { return Err(problems) };
    let (subject, issuer) = (&own.certificate.tbs_certificate.subject, &own.certificate.tbs_certificate.issuer);
    let pass_type = problems.take(named(subject, USER_ID, "a certificate of a pass type"));
    let team = problems.take(named(subject, UNIT, "a certificate of a team"));
    if above.certificate.tbs_certificate.subject != *issuer {
        problems.add("intermediateCertificate", "mismatch", "is not the one that has signed the certificate");
    }
    if !fits(&own.certificate, &key) {
        problems.add("privateKey", "mismatch", "is not the key of the certificate");
    }
    let (Some(pass_type), Some(team), true) = (pass_type, team, problems.is_empty()) else { return Err(problems) };
    let Holding { der: certificate, expires_at, .. } = own;
    Ok((IssuerAccount::Apple { pass_type, team, certificate, intermediate: above.der, expires_at }, key))
}

pub(crate) fn google(sent: &GoogleIssuerRequest) -> Result<ReadIssuer, Problems> {
    let mut problems = Problems::default();
    let issuer = sent.issuer.trim();
    if !(1..=30).contains(&issuer.len()) || !issuer.bytes().all(|byte| byte.is_ascii_digit()) {
        problems.add("issuerId", "invalid", "must be the number of an issuer");
    }
    let account = problems.take(EmailAddress::parse("serviceAccountEmail", &sent.service_account));
    let key = problems.take(rsa_key(&sent.private_key));
    let (Some(account), Some(key), true) = (account, key, problems.is_empty()) else { return Err(problems) };
    let service_account = account.as_str().to_owned();
    Ok((IssuerAccount::Google { issuer: issuer.to_owned(), service_account }, key))
}

fn rsa_key(pem: &SecretString) -> Result<SecretSlice<u8>, Problems> {
    let message = "must be an RSA key of 2048 bits or more in PEM, without a password";
    key::read(pem).ok_or_else(|| Problems::one("privateKey", "invalid", message))
}

fn holding(field: &str, pem: &str, now: Timestamp) -> Result<Holding, Problems> {
    let read = Certificate::from_pem(pem.trim().as_bytes()).and_then(|read| Ok((read.to_der()?, read)));
    let (der, certificate) =
        read.map_err(|_| Problems::one(field, "invalid", "must be one X.509 certificate in PEM"))?;
    let instant = |time: Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
        Timestamp::from_timestamp(seconds, 0)
    };
    let Validity { not_before, not_after } = certificate.tbs_certificate.validity;
    match (instant(not_before), instant(not_after)) {
        (Some(begins), Some(expires_at)) if begins <= now && now < expires_at => {
            Ok(Holding { certificate, der, expires_at })
        }
        _ => Err(Problems::one(field, "expired", "does not hold at this time")),
    }
}

/// A text of a subject.
fn named(subject: &Name, what: ObjectIdentifier, of: &str) -> Result<String, Problems> {
    let all = subject.0.iter().flat_map(|part| part.0.iter());
    let found = all.filter(|part| part.oid == what).find_map(|part| std::str::from_utf8(part.value.value()).ok());
    let found = found.filter(|text| (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control));
    found.map(str::to_owned).ok_or_else(|| Problems::one("certificate", "invalid", format!("is not {of}")))
}

/// Whether the certificate is that of the key.
fn fits(certificate: &Certificate, key: &SecretSlice<u8>) -> bool {
    let certified = certificate.tbs_certificate.subject_public_key_info.subject_public_key.as_bytes();
    let own = key::open(key);
    // Both are RSAPublicKey (RFC 8017, A.1.1).
    own.is_some_and(|pair| certified == Some(pair.public_key().as_ref()))
}
