//! Bookings with what hangs on them.

/// A booking.
pub(crate) mod booking {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bookings")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) buyer_user_id: Option<Uuid>,
        pub(crate) total: i64,
        pub(crate) expires_at: Option<i64>,
        pub(crate) release_at: Option<i64>,
        pub(crate) ends_at: Option<i64>,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
        pub(crate) sequence: i32,
        pub(crate) status: i16,
        pub(crate) channel: i16,
        pub(crate) currency: String,
        pub(crate) reference: String,
        pub(crate) buyer_email: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A pending booking in the order in which holds lapse.
pub(crate) mod hold {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "holds")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) event_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) release_at: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) booking_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Units of one type in a booking.
pub(crate) mod booking_item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "booking_items")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) booking_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i16,
        pub(crate) ticket_type_id: Uuid,
        pub(crate) unit_price: i64,
        pub(crate) quantity: i32,
        pub(crate) cancelled: i32,
        pub(crate) name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Who will come with one unit.
pub(crate) mod booking_attendee {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "booking_attendees")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) booking_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i16,
        pub(crate) ticket_type_id: Uuid,
        pub(crate) name: Option<String>,
        pub(crate) email: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A part of what a booking costs.
pub(crate) mod price_part {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "booking_price_parts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) booking_id: Uuid,
        pub(crate) ticket_type_id: Option<Uuid>,
        pub(crate) unit_price: i64,
        pub(crate) discount: i64,
        pub(crate) net: i64,
        pub(crate) tax: i64,
        pub(crate) gross: i64,
        pub(crate) rounding: i64,
        pub(crate) tax_rate: Option<i32>,
        pub(crate) quantity: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i16,
        pub(crate) paid_by: i16,
        pub(crate) name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
