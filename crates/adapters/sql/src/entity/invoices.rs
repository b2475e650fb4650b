//! Invoices, credit notes, and who writes them.

/// Bookings that one commit has noted for an organizer.
pub(crate) mod invoice_due {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoices_due")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) bookings: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Particulars of an organizer.
pub(crate) mod seller {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sellers")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) version: i32,
        pub(crate) created_at: i64,
        pub(crate) name: String,
        pub(crate) address: String,
        pub(crate) country: String,
        pub(crate) tax_id: Option<String>,
        pub(crate) series: String,
        pub(crate) credit_series: String,
        pub(crate) timezone: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The last number of a series in a year.
pub(crate) mod invoice_series {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice_series")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) organizer_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) series: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) year: i16,
        pub(crate) last: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A document.
pub(crate) mod invoice {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoices")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) seller_id: Uuid,
        pub(crate) booking_id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) corrects_id: Option<Uuid>,
        pub(crate) number: i64,
        pub(crate) issued_at: i64,
        pub(crate) net: i64,
        pub(crate) tax: i64,
        pub(crate) gross: i64,
        pub(crate) year: i16,
        pub(crate) series: String,
        pub(crate) currency: String,
        pub(crate) reference: String,
        pub(crate) event_name: String,
        pub(crate) event_starts_on: String,
        pub(crate) buyer_name: Option<String>,
        pub(crate) buyer_email: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A line of a document.
pub(crate) mod invoice_line {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice_lines")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) invoice_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i16,
        pub(crate) unit_price: i64,
        pub(crate) discount: i64,
        pub(crate) net: i64,
        pub(crate) tax: i64,
        pub(crate) gross: i64,
        pub(crate) quantity: i64,
        pub(crate) tax_rate: Option<i32>,
        pub(crate) name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
