"""Run migrations on the connection that deliverd.store.migrate hands over, inside its transaction."""

from alembic import context

from deliverd.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # on SQLite too: the connection begins its transactions itself
)
with context.begin_transaction():
    context.run_migrations()
