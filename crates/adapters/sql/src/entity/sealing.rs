//! What the audit log is sealed by.

/// Lines that wait.
pub(crate) mod audit_unsealed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_unsealed")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Option<Uuid>,
        pub(crate) lines: Vec<u8>,
        pub(crate) digests: Option<Vec<u8>>,
        pub(crate) commitments: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The end of a chain, and where it begins.
pub(crate) mod audit_chain {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_chains")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) chain: Uuid,
        pub(crate) number: i64,
        pub(crate) digest: Vec<u8>,
        pub(crate) checked_number: i64,
        pub(crate) pruned_number: Option<i64>,
        pub(crate) pruned_digest: Option<Vec<u8>>,
        pub(crate) pruned_before: Option<i64>,
        pub(crate) pruned_key: Option<Uuid>,
        pub(crate) pruned_signature: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A block.
pub(crate) mod audit_block {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_blocks")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) chain: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i64,
        pub(crate) previous: Vec<u8>,
        pub(crate) digest: Vec<u8>,
        pub(crate) sealed_at: i64,
        pub(crate) lines: Vec<u8>,
        pub(crate) digests: Vec<u8>,
        pub(crate) commitments: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A signed statement about the ends of chains.
pub(crate) mod audit_checkpoint {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_checkpoints")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i64,
        pub(crate) previous: Vec<u8>,
        pub(crate) at: i64,
        pub(crate) heads: Vec<u8>,
        pub(crate) key_id: Uuid,
        pub(crate) signature: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A key that signs those statements.
pub(crate) mod audit_key {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) public_key: Vec<u8>,
        pub(crate) sealed_private_key: Vec<u8>,
        pub(crate) created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
