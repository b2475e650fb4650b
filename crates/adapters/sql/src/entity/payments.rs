//! Payments, refunds, and what providers have told.

/// A payment.
pub(crate) mod payment {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "payments")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) booking_id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) amount: i64,
        pub(crate) captured: i64,
        pub(crate) booked: i64,
        pub(crate) refunded: i64,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
        pub(crate) version: i32,
        pub(crate) status: i16,
        pub(crate) currency: String,
        pub(crate) provider: String,
        pub(crate) method: String,
        pub(crate) failure: Option<String>,
        pub(crate) reference: Option<String>,
        pub(crate) charged_back: i64,
        pub(crate) dispute: Option<i16>,
        pub(crate) dispute_reference: Option<String>,
        pub(crate) disputed: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A refund.
pub(crate) mod refund {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refunds")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) payment_id: Uuid,
        pub(crate) booking_id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) amount: i64,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
        pub(crate) version: i32,
        pub(crate) status: i16,
        pub(crate) reason: i16,
        pub(crate) currency: String,
        pub(crate) failure: Option<String>,
        pub(crate) by_hand: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A message of a provider that had its effect.
pub(crate) mod provider_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "provider_events")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) provider: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) event: String,
        pub(crate) seen_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod provider_message {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "provider_messages")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) received_at: i64,
        #[sea_orm(column_type = "Text")]
        pub(crate) messages: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
