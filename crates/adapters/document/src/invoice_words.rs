//! What is written on invoices in which language.

use domain::Language;

/// The labels of a document.
pub(crate) struct InvoiceWords {
    pub(crate) invoice: &'static str,
    pub(crate) credit_note: &'static str,
    pub(crate) issued_on: &'static str,
    pub(crate) corrects: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) event: &'static str,
    pub(crate) seller: &'static str,
    pub(crate) buyer: &'static str,
    pub(crate) unknown_buyer: &'static str,
    pub(crate) tax_id: &'static str,
    /// What for, how many, price of one, discount, rate, net, tax, gross.
    pub(crate) columns: [&'static str; 8],
    pub(crate) by_rate: &'static str,
    pub(crate) together: &'static str,
    pub(crate) total: &'static str,
    pub(crate) goes_back: &'static str,
    /// What stands where there is none.
    pub(crate) none: &'static str,
}

pub(crate) const fn words(language: Language) -> &'static InvoiceWords {
    match language {
        Language::English => &ENGLISH,
        Language::Polish => &POLISH,
    }
}

const ENGLISH: InvoiceWords = InvoiceWords {
    invoice: "Invoice",
    credit_note: "Credit note",
    issued_on: "Date of issue",
    corrects: "Corrects invoice",
    reference: "Booking",
    event: "Event",
    seller: "Seller",
    buyer: "Buyer",
    unknown_buyer: "(the account is deleted)",
    tax_id: "Tax ID",
    columns: ["Item", "Qty", "Unit price", "Discount", "Tax", "Net", "Tax amount", "Gross"],
    by_rate: "By tax rate",
    together: "Together",
    total: "Total",
    goes_back: "Total credited",
    none: "–",
};

const POLISH: InvoiceWords = InvoiceWords {
    invoice: "Faktura",
    credit_note: "Faktura korygująca",
    issued_on: "Data wystawienia",
    corrects: "Do faktury",
    reference: "Rezerwacja",
    event: "Wydarzenie",
    seller: "Sprzedawca",
    buyer: "Nabywca",
    unknown_buyer: "(konto usunięte)",
    tax_id: "NIP / nr podatkowy",
    columns: ["Nazwa", "Ilość", "Cena", "Rabat", "Stawka", "Netto", "Podatek", "Brutto"],
    by_rate: "Według stawek",
    together: "Razem",
    total: "Do zapłaty",
    goes_back: "Do zwrotu",
    none: "–",
};
