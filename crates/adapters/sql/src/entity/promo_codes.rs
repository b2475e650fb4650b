//! Promo codes, and the bookings that were made with them.

/// A code.
pub(crate) mod promo_code {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "promo_codes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) code: String,
        pub(crate) rate: Option<i32>,
        pub(crate) amount: Option<i64>,
        pub(crate) ticket_types: String,
        pub(crate) max_uses: Option<i32>,
        pub(crate) max_per_buyer: Option<i32>,
        pub(crate) budget: Option<i64>,
        pub(crate) starts_at: Option<i64>,
        pub(crate) ends_at: Option<i64>,
        pub(crate) archived: bool,
        pub(crate) used: i32,
        pub(crate) spent: i64,
        pub(crate) version: i32,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
        pub(crate) opens: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// That a booking was made with a code.
pub(crate) mod promo_use {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "promo_uses")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) booking_id: Uuid,
        pub(crate) promo_code_id: Uuid,
        pub(crate) discount: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
