//! Which limits the servers have that the drill starts.

/// How limits take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    /// All of them count, each buyer at his own address, and none is ever reached: what they cost is measured, and they
    /// are not.
    Counting,
    /// Those of signing in are as whoever sets nothing has them; the others count.
    OfSignIns,
}

/// Those that a load of the drill would reach.
const REACHED: [&str; 8] =
    ["REQUESTS", "MISSES", "READS", "WRITES", "BOOKINGS", "BUYER_UNITS", "NETWORK_UNITS", "REGISTER"];
/// Those of signing in.
const OF_SIGN_INS: [&str; 3] = ["LOGIN", "LOGIN_ACCOUNT", "LOGIN_NETWORK"];

impl Limits {
    /// The settings that make it so; those of the command line lie over them.
    pub(crate) fn settings(self) -> Vec<(String, String)> {
        let widest = |name: &&str| (format!("GOTICKET_RATE_LIMIT__{name}"), "1000000/1s".to_owned());
        let of_sign_ins: &[&str] = match self {
            Self::Counting => &OF_SIGN_INS,
            Self::OfSignIns => &[],
        };
        // Shares are for halls that are smaller than what rates let one hold; with these rates every hall would be.
        let shares = ("GOTICKET_RATE_LIMIT__POOL_SHARE".to_owned(), "100".to_owned());
        REACHED.iter().chain(of_sign_ins).map(widest).chain([shares]).collect()
    }
}
