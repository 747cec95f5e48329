"""The members, and the outbox that livepass reads."""

from django.db import migrations, models

from livepass import Livepass


def outbox(apps, editor):
    editor.execute(Livepass.outbox_table(editor.connection.vendor))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Member",
            [
                ("number", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("points", models.IntegerField(default=0)),
                ("has_pass", models.BooleanField(default=False)),
            ],
        ),
        migrations.RunPython(outbox, migrations.RunPython.noop),
    ]
