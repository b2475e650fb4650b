//! Tickets, the keys that sign their codes, check-in lists, and entries at the door.

/// A ticket.
pub(crate) mod ticket {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tickets")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) booking_id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) ticket_type_id: Uuid,
        pub(crate) unit: i32,
        pub(crate) issue: i32,
        pub(crate) attendee: Option<i32>,
        pub(crate) passed_on: bool,
        pub(crate) status: i16,
        pub(crate) blocked: i16,
        pub(crate) changed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A key of an event.
pub(crate) mod ticket_key {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ticket_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) number: i32,
        pub(crate) public_key: Vec<u8>,
        pub(crate) sealed_private_key: Vec<u8>,
        pub(crate) created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An entry at the door.
pub(crate) mod check_in {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "check_ins")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Option<Uuid>,
        pub(crate) list_id: Uuid,
        pub(crate) ticket_id: Uuid,
        pub(crate) turn: Option<i32>,
        pub(crate) checked_in_at: i64,
        pub(crate) device_at: Option<i64>,
        pub(crate) received_at: Option<i64>,
        pub(crate) skew: Option<i64>,
        pub(crate) flag: Option<i16>,
        pub(crate) exited_at: Option<i64>,
        pub(crate) undone_at: Option<i64>,
        pub(crate) sequence: i32,
        pub(crate) changed_at: Option<i64>,
        pub(crate) gate: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A check-in list.
pub(crate) mod check_in_list {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "check_in_lists")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) name: String,
        pub(crate) entry: i16,
        pub(crate) starts_at: Option<i64>,
        pub(crate) ends_at: Option<i64>,
        pub(crate) ticket_types: String,
        pub(crate) archived: bool,
        pub(crate) version: i32,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What an organizer issues passes for a wallet as.
pub(crate) mod pass_issuer {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pass_issuers")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) wallet: String,
        pub(crate) name: String,
        pub(crate) account: String,
        pub(crate) certificate: Option<Vec<u8>>,
        pub(crate) intermediate: Option<Vec<u8>>,
        pub(crate) expires_at: Option<i64>,
        pub(crate) sealed_private_key: Vec<u8>,
        pub(crate) changed_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
