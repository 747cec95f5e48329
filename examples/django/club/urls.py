"""Views that do not await: ``lp.sync`` is livepass for them, and ``change_in`` part of their transaction."""

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path

from club.models import Member
from club.passes import PASS_TYPE, lp


def join(request: HttpRequest, number: str) -> JsonResponse:
    Member.objects.create(number=number, name=request.GET["name"])
    return JsonResponse({}, status=201)


def download(request: HttpRequest, number: str) -> HttpResponse:
    member = get_object_or_404(Member, number=number)
    lp.sync.issue(PASS_TYPE, number, template="membership", data={"name": member.name, "points": member.points})
    return HttpResponse(lp.sync.pkpass(PASS_TYPE, number), content_type="application/vnd.apple.pkpass")


def earn(request: HttpRequest, number: str) -> JsonResponse:
    with transaction.atomic():
        member = get_object_or_404(Member.objects.select_for_update(), number=number)
        member.points += int(request.GET["add"])
        member.save()
        lp.change_in(connection, PASS_TYPE, number, data={"points": member.points})
        if member.points > 1000:
            transaction.set_rollback(True)
            return JsonResponse({"error": "a thousand points are enough"}, status=422)
    return JsonResponse({"points": member.points})


urlpatterns = [
    path("members/<number>", join),
    path("members/<number>/pass", download),
    path("members/<number>/points", earn),
]
