from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.urls import path
from rest_framework import generics, serializers

from .models import Invitation, VoiceChannel


class VoiceChannelSerializer(serializers.ModelSerializer):
    class Meta:
        model = VoiceChannel
        fields = ["id", "name", "creator", "created_at"]
        read_only_fields = ["creator"]


class InvitationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Invitation
        fields = ["id", "voice_channel", "addressee", "inviter", "status", "created_at"]
        read_only_fields = ["inviter", "status"]


class VoiceChannelList(generics.ListCreateAPIView):
    queryset = VoiceChannel.objects.order_by("id")
    serializer_class = VoiceChannelSerializer

    def perform_create(self, serializer):
        serializer.save(creator=self.request.user)


class VoiceChannelDetail(generics.RetrieveAPIView):
    queryset = VoiceChannel.objects.all()
    serializer_class = VoiceChannelSerializer


class Invite(generics.CreateAPIView):
    serializer_class = InvitationSerializer

    def perform_create(self, serializer):
        invitation = serializer.save(inviter=self.request.user)
        message = {**serializer.data, "type": "invitation",
                   "voice_channel_name": invitation.voice_channel.name,
                   "inviter_username": invitation.inviter.username}
        async_to_sync(get_channel_layer().group_send)(
            f"notifications_{invitation.addressee_id}", {"type": "notify", "message": message})


urlpatterns = [
    path("api/voice_channels/voice_channels/", VoiceChannelList.as_view()),
    path("api/voice_channels/voice_channels/<int:pk>/", VoiceChannelDetail.as_view()),
    path("api/voice_channels/invite/", Invite.as_view()),
]
