from django.conf import settings
from django.db import models


class VoiceChannel(models.Model):
    name = models.CharField(max_length=255)
    creator = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)


class Invitation(models.Model):
    voice_channel = models.ForeignKey(VoiceChannel, models.CASCADE)
    addressee = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, "received")
    inviter = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, "sent")
    status = models.CharField(max_length=20, default="pending")
    created_at = models.DateTimeField(auto_now_add=True)
