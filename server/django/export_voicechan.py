"""Moves users, channels and invitations of a Django application into a voicechan database.

Put this file into `management/commands/` of one of your applications, let voicechan-server make the
database, and run `python manage.py export_voicechan voice.db`. Ids stay what they were. Tokens of
REST framework's `authtoken` go on working as keys; who has none gets a key by
`voicechan-server user token NAME`, or comes by a JWT. The Django database is only read.
"""

import datetime
import hashlib
import secrets
import sqlite3

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.core.management.base import BaseCommand, CommandError

APPLICATION_ID, SCHEMA_VERSION = 0x5643484E, 4
COLUMNS = {"users": "id, name, key_digest", "channels": "id, name, creator, created_at",
           "invitations": "id, channel, addressee, inviter, status, created_at"}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def microseconds(moment):
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


class Command(BaseCommand):
    help = "Moves users, channels and invitations into a voicechan database."

    def add_arguments(self, parser):
        parser.add_argument("database", help="made by voicechan-server, without users")
        parser.add_argument("--channels", default="voice_channels.VoiceChannel", metavar="MODEL",
                            help="has name, creator, created_at")
        parser.add_argument("--invitations", default="voice_channels.Invitation", metavar="MODEL",
                            help="has voice_channel, addressee, inviter, status, created_at")

    def handle(self, *, database, channels, invitations, **options):
        try:
            db = sqlite3.connect(f"file:{database}?mode=rw", uri=True, isolation_level=None)
            self.check_version(db)
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT count(*) FROM users").fetchone() != (0,):
                raise CommandError("the database has users already")
            rows = {"users": self.users(), "channels": self.channels(channels),
                    "invitations": self.invitations(invitations)}
            for table, values in rows.items():
                places = ", ".join("?" * (COLUMNS[table].count(",") + 1))
                db.executemany(f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({places})", values)
            self.use_up_ids(db)
            db.execute("COMMIT")
        except (sqlite3.Error, LookupError, AttributeError, FieldError) as error:
            raise CommandError(f"nothing was moved: {error}") from error
        self.stdout.write(", ".join(f"{len(rows[table])} {table}" for table in rows))

    def check_version(self, db):
        found = [db.execute(f"PRAGMA {name}").fetchone()[0]
                 for name in ("application_id", "user_version")]
        if found != [APPLICATION_ID, SCHEMA_VERSION]:
            raise CommandError("this is no voicechan database, or one of another version")

    def use_up_ids(self, db):
        """No later user gets the id of one who was left out: something of his may be here."""
        last = get_user_model().objects.order_by("pk").last()
        if last is not None:
            db.execute("DELETE FROM sqlite_sequence WHERE name = 'users'")
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?)", (last.pk,))

    def users(self):
        keys = {}
        if apps.is_installed("rest_framework.authtoken"):
            token = apps.get_model("authtoken", "Token")
            keys = dict(token.objects.values_list("user_id", "key"))
        users = get_user_model().objects.filter(is_active=True).order_by("pk")
        return [(user.pk, user.get_username(),
                 hashlib.sha256(keys.get(user.pk, secrets.token_hex(32)).encode()).digest())
                for user in users]

    def channels(self, model):
        return [(each.pk, each.name, each.creator_id, microseconds(each.created_at))
                for each in apps.get_model(model).objects.order_by("pk")]

    def invitations(self, model):
        return [(each.pk, each.voice_channel_id, each.addressee_id, each.inviter_id, "pending",
                 microseconds(each.created_at))
                for each in apps.get_model(model).objects.filter(status="pending").order_by("pk")]
