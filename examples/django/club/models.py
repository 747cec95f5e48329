"""A member of the club, whose pass has the member's number as serial."""

from django.db import models


class Member(models.Model):
    number = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=100)
    points = models.IntegerField(default=0)
    has_pass = models.BooleanField(default=False)
